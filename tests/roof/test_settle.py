"""A web process does not walk its own modules and mappings again at every collection of garbage."""

from __future__ import annotations

import gc

from emergency import processes


def test_what_a_process_was_built_of_is_left_out_of_later_collections() -> None:
    held = [[n] for n in range(1000)]
    before = gc.get_freeze_count()
    try:
        processes.settle()
        assert gc.get_freeze_count() >= before + len(held)
        assert len(gc.get_objects()) < 1000, "hardly anything is left to walk"
    finally:
        gc.unfreeze()
