"""Supplies: what lies where, whose it is, and what it was promised for."""
