"""Pages of warnings: `writing` up to the decision, `issued` after it, on one blueprint; what is public on another."""

from __future__ import annotations

from emergency.warnings import issued, published, writing
from emergency.warnings.pagebase import blueprint

BLUEPRINTS = (blueprint, published.blueprint)

__all__ = ["BLUEPRINTS", "blueprint", "issued", "published", "writing"]
