"""The auditor's pages: who did what, who saw what of whom, whether the journal is whole."""
