"""The evaluators' checklists, as rows of data: for field drills and for tabletop drills."""

from __future__ import annotations

import tomllib
from collections.abc import Container
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from emergency.drills.models import Evidence, Form

FILE = Path(__file__).parent / "data" / "checklists.toml"


@dataclass(frozen=True)
class CheckLine:
    """One line that an evaluator marks."""

    key: str
    zh: str
    en: str

    def label(self, language: str = "zh") -> str:
        """The words of the line."""
        return self.en if language.startswith("en") else self.zh


@dataclass(frozen=True)
class Group:
    """Lines under one heading."""

    form: Form
    key: str
    zh: str
    en: str
    lines: tuple[CheckLine, ...]

    def marked(self, marks: Container[str]) -> bool:
        """Whether anybody marked one of its lines."""
        return any(line.key in marks for line in self.lines)

    def label(self, language: str = "zh") -> str:
        """The words of the heading."""
        return self.en if language.startswith("en") else self.zh


@dataclass(frozen=True)
class Checklists:
    """All groups, whose form it is and how sure its origin."""

    source: str
    evidence: Evidence
    groups: tuple[Group, ...]


@cache
def load() -> Checklists:
    """The file, read once."""
    data = tomllib.loads(FILE.read_text("utf-8"))
    return Checklists(
        data["source"],
        Evidence(data["evidence"]),
        tuple(
            Group(Form(g["form"]), g["key"], g["zh"], g["en"], tuple(CheckLine(**line) for line in g["lines"]))
            for g in data["group"]
        ),
    )


def groups(form: Form) -> list[Group]:
    """The groups for one way of holding a drill."""
    return [group for group in load().groups if group.form is form]
