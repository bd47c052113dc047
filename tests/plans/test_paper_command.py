"""`emergency export plans`: the same papers without a browser."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from docx import Document

from emergency.cli import cli
from emergency.commands import plan_papers
from emergency.people.posts.models import Duty
from emergency.plans import service
from emergency.plans.drafting import ActionText, Draft, LevelText
from emergency.plans.models import ResponseGrade
from emergency.privacy.journal import JournalEntry
from emergency.runtime import Runtime
from kernel.db import Database
from tests.plans.support import DISTRICT, TAITOU, add_post

Make = Callable[..., Any]
PHONE = "16412345678"


@pytest.fixture
def shell(district: Database, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    @contextmanager
    def installed() -> Iterator[Runtime]:
        yield runtime

    monkeypatch.setattr(plan_papers, "installation", installed)
    return CliRunner()


@pytest.fixture
def plan_id(district: Database, make: Make, publish: Make, planner: Any) -> int:
    with district.write() as session:
        post = add_post(session, DISTRICT, Duty.FLOOD_CHIEF, PHONE)
        plan, row = make(session)
        levels = [
            LevelText(ResponseGrade.I, "溃堤。", "区长", [ActionText("下令转移", post_id=post, within_minutes=15)])
        ]
        row = service.edit_draft(
            session, actor=planner, version_id=row.id, version=row.version, draft=Draft(levels=levels)
        )
        publish(session, row)
        other, second = make(session, title="静海区燃气应急预案")
        publish(session, second)
        assert other.id != plan.id
    return int(plan.id)


def test_one_plan_is_a_word_file_and_an_area_a_zip(shell: CliRunner, plan_id: int, tmp_path: Path) -> None:
    one, all_ = tmp_path / "a.docx", tmp_path / "a.zip"
    assert shell.invoke(cli, ["export", "plans", "--plan", str(plan_id), "-o", str(one)]).exit_code == 0
    assert Document(str(one)).core_properties.title == "静海区防汛预案"
    assert shell.invoke(cli, ["export", "plans", "--division", DISTRICT, "-o", str(all_)]).exit_code == 0
    with zipfile.ZipFile(all_) as archive:
        assert len(archive.namelist()) == 2 and archive.testzip() is None
    piped = shell.invoke(cli, ["export", "plans", "--as", "filing", "--plan", str(plan_id)])
    assert piped.exit_code == 0 and zipfile.ZipFile(io.BytesIO(piped.stdout_bytes)).testzip() is None
    report = tmp_path / "e.docx"
    assert shell.invoke(cli, ["export", "plans", "--as", "evaluation", "-o", str(report)]).exit_code == 0
    assert len(Document(str(report)).tables[0].rows) == 3


def test_cards_carry_numbers_only_with_a_purpose(
    shell: CliRunner, district: Database, plan_id: int, tmp_path: Path
) -> None:
    page = tmp_path / "k.html"
    words = ["export", "plans", "--as", "cards", "-o", str(page)]
    assert shell.invoke(cli, words).exit_code == 0
    assert "下令转移" in page.read_text("utf-8") and PHONE not in page.read_text("utf-8").replace(" ", "")
    pack = [*words[:3], "pack", *words[4:]]
    assert shell.invoke(cli, [*pack, "--purpose", "evacuation", "--exercise"]).exit_code == 0
    text = page.read_text("utf-8")
    assert PHONE in text.replace(" ", "") and "用后销毁" in text and "【演练】" in text
    with district.read() as session:
        found = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "personal.exported")).all()
        assert {entry.purpose for entry in found} == {"evacuation"} and found[0].actor.startswith("system:cli.")


def test_wrong_usage_is_said_and_nothing_is_written(shell: CliRunner, plan_id: int, tmp_path: Path) -> None:
    target = tmp_path / "a.zip"
    assert shell.invoke(cli, ["export", "plans", "--purpose", "audit", "-o", str(target)]).exit_code == 2
    assert shell.invoke(cli, ["export", "divisions", "--as", "word"]).exit_code == 2
    assert shell.invoke(cli, ["export", "plans", "--division", TAITOU, "-o", str(target)]).exit_code != 0
    assert list(tmp_path.glob("a.zip*")) == []
