"""Tables of posts: people keep their records, faults are named by row, the same file again changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.http.sheets import SheetError, write_csv, write_xlsx
from emergency.people.contacts.models import Contact
from emergency.people.posts import service
from emergency.people.posts.exports import export_posts
from emergency.people.posts.imports import COLUMNS, import_posts
from emergency.people.posts.models import Duty, Post, PostState
from emergency.privacy.journal import JournalEntry
from kernel.db import Database
from kernel.errors import DomainError, Forbidden
from tests.divisions.conftest import actor, text_of
from tests.posts.conftest import CONSOLE, NEIGHBOUR, TAITOU, VILLAGE

HEADINGS = ("division_code", "duty", "name", "phone", "deputy_order")
ROWS = [
    (VILLAGE, "防汛责任人", "张某一", "15400000001", "0"),
    (VILLAGE, "flood_chief", "李某二", "16300000002", "1"),
    (VILLAGE, "锣长", "张某一", "15400000001", ""),
    (TAITOU, "信息员", "", "", "0"),
    (NEIGHBOUR, "联络员", "王某三", "1640000000X", "0"),
]


@pytest.fixture
def sheet(tmp_path: Path) -> Callable[..., Path]:
    def make(rows: list[tuple[str, ...]], headings: tuple[str, ...] = HEADINGS, encoding: str = "utf-8") -> Path:
        path = tmp_path / "posts.csv"
        path.write_bytes(text_of(rows, headings).encode(encoding))
        return path

    return make


Sheet = Callable[..., Path]


def _import(tree: Database, path: Path, who: Actor = CONSOLE, **more: bool) -> tuple[int, int, int, list[str]]:
    report = import_posts(tree, path, actor=who, **more)
    return report.created, report.updated, report.unchanged, [error.code for error in report.errors]


@pytest.mark.parametrize(
    ("headings", "encoding"),
    [
        (HEADINGS, "utf-8"),
        (("区划代码", "职责", "姓名", "手机号码", "副手顺序"), "utf-8-sig"),
        (("区划代码", "岗位", "责任人", "联系电话", "顺序"), "gb18030"),
    ],
)
def test_posts_are_taken_and_again_change_nothing(
    tree: Database, sheet: Sheet, headings: tuple[str, ...], encoding: str
) -> None:
    path = sheet(ROWS, headings, encoding)
    assert _import(tree, path, dry_run=True) == (5, 0, 0, [])
    with tree.read() as session:
        assert service.count_posts(session, actor=CONSOLE) == 0
    assert _import(tree, path) == (5, 0, 0, [])
    assert _import(tree, path) == (0, 0, 5, [])
    with tree.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Contact)) == 3  # the chief keeps the gong
        states = {post.duty: post.state for post in session.scalars(sa.select(Post))}
        assert states[Duty.WARNING_RECEIVER] is PostState.VACANT


def test_export_then_import_changes_nothing(tree: Database, sheet: Sheet, tmp_path: Path) -> None:
    _import(tree, sheet(ROWS))
    rows = list(export_posts(tree, actor=CONSOLE, purpose="maintenance"))
    assert tuple(rows[0]) == HEADINGS and len(rows) == 5
    plain, book = tmp_path / "out.csv", tmp_path / "out.xlsx"
    write_csv(rows, COLUMNS, plain)
    write_xlsx(rows, COLUMNS, book)
    for path in (plain, book):
        assert _import(tree, path) == (0, 0, 5, [])
    with tree.read() as session:
        entry = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "personal.exported")).one()
        assert entry.purpose == "maintenance"


def test_an_export_needs_a_purpose_and_the_right(tree: Database, liaison: Actor) -> None:
    with pytest.raises(DomainError):
        export_posts(tree, actor=CONSOLE)
    with pytest.raises(Forbidden):
        export_posts(tree, actor=liaison, purpose="maintenance")


def test_a_new_number_corrects_and_a_new_name_replaces(tree: Database, sheet: Sheet) -> None:
    _import(tree, sheet(ROWS))
    with tree.read() as session:
        before = {
            p.duty: service.holders(session, [p.id])[p.id][0].contact_id for p in service.find_posts(session, [VILLAGE])
        }
    changed = [
        (VILLAGE, "防汛责任人", "张某一", "15400000091", "0"),
        (VILLAGE, "防汛责任人", "陈某五", "16800000005", "1"),
        (VILLAGE, "防汛责任人", "杨某六", "16900000006", "2"),
        (VILLAGE, "锣长", "张某一", "", ""),
        (TAITOU, "信息员", "刘某七", "17900000007", "0"),
    ]
    assert _import(tree, sheet(changed)) == (1, 3, 1, [])
    assert _import(tree, sheet(changed)) == (0, 0, 5, [])
    with tree.read() as session:
        chief, gong = (
            service.find_posts(session, [VILLAGE], duties=[d])[0] for d in (Duty.FLOOD_CHIEF, Duty.GONG_KEEPER)
        )
        assert [p.order for p in service.holders(session, [chief.id])[chief.id]] == [0, 1, 2]
        assert service.contact_of(session, [chief.id, gong.id]) == {
            chief.id: before[Duty.FLOOD_CHIEF],
            gong.id: before[Duty.GONG_KEEPER],
        }
        assert service.find_posts(session, [TAITOU], exactly=True)[0].state is PostState.HELD


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        ((VILLAGE, "村霸", "张某一", "", "0"), "duty", "duty_unknown"),
        ((VILLAGE[:-1], "联络员", "张某一", "", "0"), "division_code", "code_wrong_length"),
        (("12011810420X", "联络员", "张某一", "", "0"), "division_code", "code_not_digits"),
        (("120118104299", "联络员", "张某一", "", "0"), "division_code", "division_unknown"),
        ((VILLAGE, "联络员", "张某一", "", "第二"), "deputy_order", "order_invalid"),
        ((VILLAGE, "联络员", "张某一", "", "9"), "deputy_order", "order_invalid"),
        ((VILLAGE, "联络员", "", "15400000001", "0"), "name", "name_missing"),
        ((VILLAGE, "防汛责任人", "别某一", "15400000008", "0"), "deputy_order", "post_duplicate"),
        ((VILLAGE, "防汛责任人", "张某一", "15400000001", "3"), "name", "person_duplicate"),
        ((VILLAGE, "联络员", "=HYPERLINK(1)", "", "0"), "name", "formula_refused"),
    ],
)
def test_a_bad_row_is_named_and_the_others_are_kept(
    tree: Database, sheet: Sheet, row: tuple[str, ...], column: str, code: str
) -> None:
    report = import_posts(tree, sheet([*ROWS, row]), actor=CONSOLE)
    assert (len(ROWS) + 2, column, code) in [(error.row, error.column, error.code) for error in report.errors]
    assert report.created == len(ROWS)
    assert all(error.text() for error in report.errors)


def test_a_township_imports_only_its_own(tree: Database, sheet: Sheet, liaison: Actor) -> None:
    assert _import(tree, sheet(ROWS), liaison) == (4, 0, 0, ["out_of_scope"])
    with pytest.raises(Forbidden):
        import_posts(tree, sheet(ROWS), actor=actor(Role.AUDITOR))


def test_wrong_headings_change_nothing(tree: Database, sheet: Sheet) -> None:
    with pytest.raises(SheetError):
        import_posts(tree, sheet(ROWS, ("a", "b", "c", "d", "e")), actor=CONSOLE)
    with tree.read() as session:
        assert service.count_posts(session, actor=CONSOLE) == 0


def test_a_phone_that_a_spreadsheet_made_a_float_is_mended_or_refused(tree: Database, sheet: Sheet) -> None:
    rows = [(VILLAGE, "联络员", "张某一", "15400000001.0", "0"), (VILLAGE, "保管员", "李某二", "1.63E+10", "0")]
    report = import_posts(tree, sheet(rows), actor=CONSOLE)
    assert [(e.row, e.code) for e in report.errors] == [(3, "number_rounded")]
    assert next(export_posts(tree, actor=CONSOLE, purpose="verify"))["phone"] == "15400000001"


def test_nothing_personal_of_a_post_stands_in_the_file(tree: Database, sheet: Sheet) -> None:
    _import(tree, sheet(ROWS))
    if not tree.is_sqlite:
        pytest.skip("the file is SQLite's")
    path = Path(tree.engine.url.database or "")
    content = path.read_bytes() + path.with_name(path.name + "-wal").read_bytes()
    for text in ("张某一", "李某二", "15400000001", "1640000000X"):
        assert text.encode() not in content
