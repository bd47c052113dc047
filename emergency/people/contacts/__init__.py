"""Contacts: the one sealed record of a person's name and number, which accounts, posts and residents point at."""
