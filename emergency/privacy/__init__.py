"""The one door to personal data: the vault that seals it and the journal that remembers every touch."""
