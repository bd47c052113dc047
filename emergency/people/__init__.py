"""People: who signs in (accounts), who holds which duty (posts), who lives where (residents), and their numbers (contacts).

Four rooms with the same furniture; the left may import the right: accounts -> posts -> residents -> contacts.
"""
