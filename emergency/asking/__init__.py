"""One question to one post or account by a time: answers, reminders, deputies, superiors, the door."""
