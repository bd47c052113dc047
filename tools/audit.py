"""Dependency audit: every direct dependency is explained, everything is pinned with hashes, nothing pinned has a known
fault. Where the advisory service cannot be reached that last part is said to be skipped, never silently passed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.lock", "requirements-test.lock", "requirements-check.lock")
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")
UNREACHABLE = ("ConnectionError", "ConnectTimeout", "Max retries", "ServiceError", "HTTPError", "timed out", "SSLError")
STUBS = re.compile(r"^(types-.+|.+-stubs)$")


def canonical(name: str) -> str:
    """A package's name as the index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def direct() -> set[str]:
    """What pyproject asks for, stubs apart."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    names = {canonical(match.group()) for line in lines if (match := NAME.match(line))}
    return {name for name in names if not STUBS.match(name)}


def explained() -> set[str]:
    """What docs/dependencies.md has a line for."""
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs/dependencies.md").read_text("utf-8"), re.M)
    return {
        canonical(NAME.match(name.strip()).group())
        for row in rows
        for name in re.split(r",| \+ ", row)
        if NAME.match(name.strip())
    }  # type: ignore[union-attr]


def locked(path: Path) -> dict[str, list[str]]:
    """Pinned packages of a lock file with their hashes; anything unpinned is a fault."""
    found: dict[str, list[str]] = {}
    for entry in path.read_text("utf-8").replace("\\\n", " ").splitlines():
        if not entry.strip() or entry.lstrip().startswith("#"):
            continue
        match = re.match(r"^([A-Za-z0-9._-]+)==([^\s;]+)", entry)
        if not match:
            sys.exit(f"{path.name}: not pinned: {entry[:60]}")
        found[f"{canonical(match.group(1))}=={match.group(2)}"] = re.findall(r"--hash=sha256:([0-9a-f]{64})", entry)
    return found


def main() -> None:
    """Say what is wrong and exit 1, or say that all is well."""
    missing = direct() - explained()
    if missing:
        sys.exit(f"docs/dependencies.md says nothing about: {', '.join(sorted(missing))}")
    before: set[str] = set()
    for name in LOCKS:
        pins = locked(ROOT / name)
        bare = [pin for pin, hashes in pins.items() if not hashes]
        if bare:
            sys.exit(f"{name}: without a hash: {', '.join(bare)}")
        if not before <= set(pins):
            sys.exit(f"{name} disagrees with the lock file before it: {', '.join(sorted(before - set(pins)))}")
        before = set(pins)
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--require-hashes",
        "--disable-pip",
        "-r",
        LOCKS[0],
        "--progress-spinner",
        "off",
    ]
    try:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    except subprocess.TimeoutExpired:
        print("known faults: skipped, the advisory service did not answer")
        return
    output = result.stdout + result.stderr
    if result.returncode == 0:
        print("known faults: none")
    elif any(word in output for word in UNREACHABLE) and "Found" not in output:
        print("known faults: skipped, the advisory service cannot be reached from here")
    else:
        sys.exit(output)


if __name__ == "__main__":
    main()
