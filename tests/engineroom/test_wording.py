"""Every code that the engine can produce has words in both languages; an unknown one is nobody's guess."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from emergency.engineroom import wording
from emergency.http.i18n import catalogue
from notify import lanes, rules
from notify.channels import twilio_codes

NOTIFY = Path(wording.__file__).parents[2] / "notify"
CHINESE = catalogue("zh").gettext


def _zh(message: str, /, **params: object) -> str:
    text = CHINESE(message)
    return text % params if params else text


def _en(message: str, /, **params: object) -> str:
    return message % params if params else message


def _written() -> Iterator[str]:
    """Reasons as they are written in the engine's source."""
    for path in NOTIFY.rglob("*.py"):
        if "gateway" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in ("NotTaken", "Uncertain") and node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)
            if name in ("Sent", "NotTaken", "Uncertain"):
                for keyword in node.keywords:
                    if keyword.arg == "reason" and isinstance(keyword.value, ast.Constant) and keyword.value.value:
                        yield str(keyword.value.value)


CODES = sorted(
    {
        *_written(),
        *lanes._OUR_REFUSALS,
        *rules.PERMANENT_REASONS,
        *(str(code) for name in ("RATE", "ACCOUNT", "SERVER", "MESSAGE") for code in getattr(twilio_codes, f"{name}_CODES")),
        "http_401", "http_403", "http_404", "http_405", "http_429", "http_500", "http_503", "http_302",
        "by_hand", "absent_at_provider", "unknown_status:lost", "internal:ValueError",
        "settled_submitted", "settled_failed",
    }
)  # fmt: skip


@pytest.mark.parametrize("code", CODES)
def test_a_code_has_words_in_both_languages(code: str) -> None:
    english, chinese = wording.explain(code, _en), wording.explain(code, _zh)
    assert english is not None and chinese is not None, f"{code} has no words in emergency/engineroom/wording.py"
    assert english.meaning and english.meaning != chinese.meaning
    assert not english.todo or english.todo != chinese.todo


def test_a_code_that_nobody_knows_is_shown_as_it_is() -> None:
    assert wording.explain("98765", _en) is None
    assert wording.meaning("98765", _zh) == "98765"
    assert wording.meaning(None, _zh) == ""
