"""The JSON surface: one smorest Api at /api/v1 that mounts the rooms' blueprints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import flask


def install(app: flask.Flask, blueprints: Iterable[Any]) -> None:
    """Give the app its JSON surface."""
    from emergency.api import core

    core.register(app, blueprints)
