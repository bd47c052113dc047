"""Plans: a living hierarchy of what is to be done, who does it, and what makes a plan stale."""
