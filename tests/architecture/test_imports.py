"""Who may import whom. A breach fails here before it is a habit."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("kernel", "scheduler", "notify", "emergency")

# The floors of the product, the highest first. A room imports rooms below it.
FLOORS: list[set[str]] = [
    {"cli", "commands", "runtime", "wiring", "delivery", "webhooks", "rehearsal", "wsgi", "upkeep", "backup_file", "backup_rows", "doctor", "processes", "schema", "__init__", "__main__"},
    {"web", "api"},
    {"readiness", "oversight", "engineroom"},
    {"drills"},
    {"warnings"},
    {"plans"},
    {"supplies"},
    {"asking"},
    {"people.accounts"},
    {"people.posts"},
    {"people.residents"},
    {"people.contacts"},
    {"divisions"},
    {"privacy"},
    {"http", "config", "config_drills", "config_plans", "messages", "versions"},
]  # fmt: skip
PUBLIC = {"service", "models", "rules", "defects", "jobs", "vault", "journal"}
SHELL = {"web", "api"}
ROOF = FLOORS[0]
FOUNDATION = {"http", "config", "config_drills", "config_plans", "messages", "versions"}


def _modules() -> Iterator[tuple[str, Path]]:
    for package in OURS:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def _imports(name: str, path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _room(module: str) -> str | None:
    parts = module.split(".")
    if parts[0] != "emergency":
        return None
    if len(parts) == 1:
        return "__init__"
    if parts[1] == "people":
        return ".".join(parts[1:3]) if len(parts) > 2 else "people"
    return parts[1]


def _floor(room: str) -> int | None:
    return next((number for number, rooms in enumerate(FLOORS) if room in rooms), None)


def _is_module(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


MODULES = list(_modules())


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_imports_go_downwards_only(name: str, path: Path) -> None:
    package = name.split(".")[0]
    room = _room(name)
    breaches = []
    for target in _imports(name, path):
        top = target.split(".")[0]
        if package != "emergency":
            if top in OURS and top not in {package, "kernel"}:
                breaches.append(f"{package} must not import {target}")
            if top.startswith("flask") or top == "werkzeug":
                breaches.append(f"{package} must not know Flask")
            continue
        if top == "flask" and room in {"privacy", "config"}:
            breaches.append(f"{room} must not know Flask")
        their = _room(target)
        if top != "emergency" or their is None or their == room or not _is_module(target):
            continue
        mine_floor, their_floor = _floor(room or ""), _floor(their)
        if their == "people" or their == "__init__":
            continue
        assert their_floor is not None, f"{target}: no floor is drawn for this room"
        assert mine_floor is not None, f"{name}: no floor is drawn for this room"
        if their_floor < mine_floor or (their_floor == mine_floor and room not in ROOF | SHELL | FOUNDATION):
            breaches.append(f"{room} must not import {target}: it is not below")
        elif room not in ROOF | SHELL and their not in FOUNDATION:
            piece = target.split(".")[len(their.split(".")) + 1 :]
            if piece and piece[0] not in PUBLIC:
                breaches.append(f"{target} is not a public module of its room")
    assert not breaches, "\n".join(dict.fromkeys(breaches))


def test_files_stay_readable() -> None:
    long = {name: lines for name, path in MODULES if (lines := len(path.read_text("utf-8").splitlines())) > 520}
    assert not long, f"a file this long wants to be two: {long}"
