"""Warnings: written by one person, approved by another, sent once, changed and lifted by messages of their own."""
