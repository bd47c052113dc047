"""Plans from Word and plain text: read, checked on a page, then kept as a new draft."""
