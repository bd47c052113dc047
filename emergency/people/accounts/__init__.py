"""Accounts: who may sign in, as what, for which area; second factor, sessions, links, tokens."""
