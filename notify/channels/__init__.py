"""Roads to a person. Each is one file and speaks `notify.channels.base.Channel`."""
