"""What people call a place is not the name of its committee."""

from __future__ import annotations

import pytest

from emergency.divisions.rules import place_name


@pytest.mark.parametrize(
    ("official", "spoken"),
    [
        ("义和村委会", "义和村"), ("民生村村委会", "民生村"), ("八堡村村民委员会", "八堡村"), ("东风村民委员会", "东风村"),
        ("建设街居委会", "建设街"), ("台头镇", "台头镇"), ("村委会", "村委会"), ("", ""),
    ],
)  # fmt: skip
def test_a_village_is_called_by_its_own_name(official: str, spoken: str) -> None:
    assert place_name(official) == spoken
