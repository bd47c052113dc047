"""Several engines share one broadcast on PostgreSQL; one is killed, one stands still longer than its lease."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support import ROOT


@pytest.mark.slow
@pytest.mark.postgres
def test_four_engines_share_a_broadcast_and_one_dies_and_one_freezes() -> None:
    url = os.environ.get("EMERGENCY_TEST_POSTGRES_URL")
    if not url:
        pytest.skip("EMERGENCY_TEST_POSTGRES_URL is not set")
    play = ["--people", "3000", "--engines", "4", "--kill", "1", "--freeze", "1", "--lease", "4", "--rate", "500"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "faults.py"), *play, "--database", url],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("0 differences\n")


@pytest.mark.slow
def test_a_difference_is_found_and_told(tmp_path: object) -> None:
    """The reckoning itself: a message that the ledger does not know must not pass."""
    code = (
        "import sys; sys.path.insert(0, 'tools'); import faults, fault_stage as f\n"
        "judge = faults.judge\n"
        "def wrong(stage, took):\n"
        "    line = stage.record.read_text('utf-8').splitlines()[-1]\n"
        "    with stage.record.open('a') as file: file.write(line + chr(10))\n"
        "    return judge(stage, took)\n"
        "faults.judge = wrong\n"
        "sys.exit(faults.main(['--people', '200', '--engines', '1', '--kill', '0', '--freeze', '0', '--lease', '2']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False, cwd=ROOT
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "was sent “" in done.stdout and " 2 times" in done.stdout
