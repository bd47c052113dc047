"""Chinese first: every message id of code and templates has its Chinese, with the same named fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[2]
FIELD = re.compile(r"%\((\w+)\)([sd])")
KEYWORDS: dict[str, object] = {"_": None, "_l": None, "N_": None, "gettext": None, "ngettext": (1, 2)}
METHODS = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract"), ("**.txt", "ignore")]


def _messages() -> Iterator[tuple[str, str]]:
    for folder in ("kernel", "scheduler", "notify", "emergency", "templates"):
        found = extract_from_dir(
            str(ROOT / folder),
            method_map=METHODS,
            keywords=KEYWORDS,
            options_map={"**.html": {"extensions": "jinja2.ext.i18n"}},
        )  # type: ignore[arg-type]
        for path, line, message, _comments, _context in found:
            for text in message if isinstance(message, tuple) else (message,):
                if text:
                    yield text, f"{folder}/{path}:{line}"


def _catalogue() -> dict[str, tuple[str, str]]:
    known: dict[str, tuple[str, str]] = {}
    for path in sorted((ROOT / "translations" / "zh").glob("*.po")):
        with path.open("rb") as source:
            for entry in read_po(source, locale="zh"):
                ids = entry.id if isinstance(entry.id, tuple) else (entry.id,)
                strings = entry.string if isinstance(entry.string, tuple) else (entry.string,)
                for text in ids:
                    if text:
                        known[text] = (strings[0], path.name)
    return known


def test_every_message_has_its_chinese() -> None:
    known = _catalogue()
    missing = {text: place for text, place in _messages() if not known.get(text, ("", ""))[0]}
    assert not missing, f"{len(missing)} without Chinese:\n" + "\n".join(
        f"{p}: {t!r}" for t, p in sorted(missing.items(), key=lambda i: i[1])
    )


def test_translations_keep_the_named_fields() -> None:
    wrong = [
        (place, text, chinese)
        for text, (chinese, place) in _catalogue().items()
        if chinese and set(FIELD.findall(text)) != set(FIELD.findall(chinese))
    ]
    assert not wrong


def test_chinese_is_chinese() -> None:
    """A translation that repeats its English is a forgotten one, names and symbols apart."""
    same = [
        (place, text)
        for text, (chinese, place) in _catalogue().items()
        if chinese == text and re.search(r"[a-z]{4}", re.sub(r"%\(\w+\)s|CSV|XLSX|JSON|SMS|PNG|PDF", "", text))
    ]
    assert not same


@pytest.mark.parametrize("path", sorted((ROOT / "templates").rglob("*.html")), ids=lambda p: str(p.relative_to(ROOT)))
def test_templates_parse_and_hold_no_untranslated_chinese(path: Path) -> None:
    source = path.read_text("utf-8")
    jinja2.Environment(extensions=["jinja2.ext.i18n"], autoescape=True).parse(source)
    if "messages" in path.parts:
        return
    bare = re.sub(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}|<!--.*?-->", "", source, flags=re.S)
    assert not re.search(r"[一-鿿]", bare.replace("中文", "")), (
        "Chinese written into a template cannot be read in English"
    )
