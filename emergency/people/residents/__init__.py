"""Residents and their households: whom a warning can reach, selected by place and need, never by name."""
