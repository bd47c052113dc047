"""What the pages are made of: vendored files as they were published, and nothing that the content policy forbids."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VENDOR = ROOT / "emergency" / "web" / "static" / "vendor"
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


@pytest.mark.parametrize("folder", [VENDOR, ROOT / "tests" / "browser" / "vendor"], ids=["pages", "tests"])
def test_vendored_files_are_as_published(folder):
    manifest = json.loads((folder / "MANIFEST.json").read_text("utf-8"))
    listed = {}
    for package in manifest["packages"]:
        assert package["name"] and package["version"] and package["licence"]
        for entry in package["files"]:
            listed[entry["file"]] = entry["sha256"]
    present = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != "MANIFEST.json"}
    assert present == set(listed)
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: str(p.relative_to(ROOT / "templates")))
def test_pages_hold_to_the_content_policy(path):
    text = re.sub(r"\{#.*?#\}", "", path.read_text("utf-8"), flags=re.S)
    assert not re.search(r"\sstyle\s*=", text), "a style attribute is blocked by the content policy"
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", text), "an event handler is blocked by the content policy"
    for tag in re.findall(r"<(?:script|style)\b[^>]*>", text):
        assert "src=" in tag or "nonce=" in tag, f"{tag} is blocked by the content policy"
    assert not re.search(r"(?:src|href)=[\"'](?:https?:)?//", text), "nothing is loaded from elsewhere"


@pytest.mark.parametrize("name", ["app.js", "map.js"])
def test_scripts_make_no_code_from_text(name):
    text = (VENDOR.parent / name).read_text("utf-8")
    assert not re.search(r"\beval\(|new Function|innerHTML|document\.write", text)


def test_the_style_sheet_loads_nothing_from_elsewhere():
    assert not re.search(r"@import|url\((?!['\"]?data:)", (VENDOR.parent / "app.css").read_text("utf-8"))
