"""The texts that leave: named fields only, an installation's own beside ours, nothing faulty ever used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emergency import messages
from kernel.errors import Invalid
from notify import markers
from notify import text as notify_text


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    messages.use(tmp_path)
    yield tmp_path
    messages.use(None)


@pytest.mark.parametrize("found", messages.listed(), ids=lambda found: f"{found.name}-{found.language}")
def test_every_text_of_ours_is_sound(found: messages.Found) -> None:
    entry = messages.CATALOGUE[found.name]
    assert messages.fault_of(entry, found.body) is None
    assert notify_text.fields(found.body) == entry.sample.keys()
    assert "{" not in found.sample and not markers.drill_mark(found.sample)


def test_every_file_has_a_place_and_every_place_a_file() -> None:
    files = {path.name.removesuffix(".txt").removesuffix(".en") for path in messages.OURS.glob("*.txt")}
    assert files == set(messages.CATALOGUE)


def test_a_text_of_the_installation_takes_the_place_of_ours(own: Path) -> None:
    (own / "link_test.txt").write_text("线路核对，请勿回复。\r\n", "utf-8")
    assert messages.render("link_test") == "线路核对，请勿回复。"
    assert messages.find("link_test").own
    (own / "link_test.txt").write_text("再核对一次。", "utf-8")
    assert messages.render("link_test") == "再核对一次。", "a change takes effect at once"


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        ("{headline}：{description}{instruction}{issuer}", "missing_field", "sent"),
        ("{headline}{description}{instruction}{issuer}{sent}{phone}", "unknown_field", "phone"),
        ("{headline.__class__}{description}", "bad_template", ""),
        ("{headline[0]}", "bad_template", ""),
        ("{headline!r}", "bad_template", ""),
        ("{headline:>99}", "bad_template", ""),
        ("{headline", "bad_template", ""),
        ("【演练】{headline}{description}{instruction}{issuer}{sent}", "kind_mismatch", "演练"),
        ("{headline}{description}{instruction}{issuer}{sent}这不是演练", "kind_mismatch", "不是演练"),
        ("雨" * 1700 + "{headline}{description}{instruction}{issuer}{sent}", "text_too_long", ""),
    ],
)
def test_a_faulty_text_is_named_and_ours_leaves_in_its_place(own: Path, body: str, code: str, named: str) -> None:
    ours = messages.find("alert").body
    (own / "alert.txt").write_text(body, "utf-8")
    found = messages.find("alert")
    assert found.body == ours and not found.own
    assert found.fault is not None and found.fault.code == code
    assert named in str(found.fault.params)


def test_a_field_that_a_text_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(Invalid) as refused:
        messages.render("link_test", phone="154")
    assert refused.value.code == "unknown_field" and refused.value.params["unknown"] == "phone"
    with pytest.raises(Invalid) as refused:
        messages.render("decided", status="预警", outcome=None, headline="洪水")
    assert refused.value.params["names"] == "outcome"


def test_a_value_is_never_looked_into() -> None:
    assert messages.render("remind", text="{post.__class__}") == "再次提醒：{post.__class__}"


def test_a_file_that_takes_no_place_is_pointed_out(own: Path) -> None:
    (own / "alarm.txt").write_text("x", "utf-8")
    assert [path.name for path in messages.strays()] == ["alarm.txt"]


def test_english_where_there_is_one_and_chinese_everywhere_else() -> None:
    assert messages.render("remind", "en", text="Call in.") == "Reminder: Call in."
    assert messages.find("alert", "en").language == "zh"
