"""Every table of the product in one MetaData: imports each room's models, so that nothing is forgotten."""

from __future__ import annotations

import importlib
import pkgutil

from kernel.db import metadata

PACKAGES = ("kernel", "scheduler", "notify", "emergency")
_ELSEWHERE = ("kernel.db", "kernel.states", "emergency.privacy.journal")
"""Modules outside a room's `models` that declare tables."""


def load_all() -> None:
    """Import every module that declares tables."""
    for name in _ELSEWHERE:
        importlib.import_module(name)
    for package in PACKAGES:
        root = importlib.import_module(package)
        for found in pkgutil.walk_packages(root.__path__, prefix=f"{package}."):
            if found.name.endswith((".models", "_models")):
                importlib.import_module(found.name)


def ours(_object: object, name: str | None, kind: str, reflected: bool, _other: object) -> bool:
    """For comparisons of the database with the tables: what a full-text index keeps for itself is nobody's model."""
    return not (reflected and kind in ("table", "index") and "_search_fts" in (name or ""))


load_all()

# What the engine seals through its port is bound to one place for all rows: its ids are not known to the vault.
RAW = ("raw", "body", 0)
metadata.tables["raw_receipt"].c.sealed.info["sealed_as"] = RAW

__all__ = ["load_all", "metadata", "ours"]
