"""Divisions and units from a file. Errors are named by row; the same file again changes nothing.

An empty cell leaves what is known; what is not in the file stays.
"""

from __future__ import annotations

from emergency.divisions.tree_import import import_divisions
from emergency.divisions.unit_import import import_units

__all__ = ["import_divisions", "import_units"]
