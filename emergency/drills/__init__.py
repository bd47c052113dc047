"""Drills: what the law asks to rehearse, when it happens, who said yes, and what was learnt."""
