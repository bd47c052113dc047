"""Who came, when everybody was out, photographs without their place, notes with their own times, the record."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import flask
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from emergency.drills import day_attendance, day_notes, day_photos, day_pictures, day_record, day_rules
from emergency.drills.day_models import DrillNote, DrillPhoto
from emergency.drills.models import Occurrence, OccurrenceState, Programme
from emergency.http.permissions import Role
from emergency.privacy.journal import JournalEntry, Purpose
from kernel.clock import BEIJING, ManualClock
from kernel.errors import DomainError
from tests.drills.conftest import World
from tests.plans.support import person, signed_in

Plan = Callable[..., Programme]
BOTH = person(Role.PLANNER, Role.DUTY_OFFICER)
NO_REVEAL = person(Role.ADMINISTRATOR, id=5)


@pytest.fixture
def drill(world: World, plan: Plan, clock: ManualClock) -> int:
    """A drill of this morning that ended an hour ago."""
    with world.database.write() as session:
        programme = plan(session, target_seconds=120)
        occurrence = session.scalars(
            sa.select(Occurrence).where(Occurrence.programme_id == programme.id).order_by(Occurrence.starts_at)
        ).first()
        assert occurrence is not None
        clock.set(occurrence.ends_at + timedelta(hours=1))
        return occurrence.id


# --- heads and evacuation -----------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 500), st.none() | st.integers(0, 500), st.integers(0, 500))))
def test_heads_are_never_negative_and_the_count_stands_before_the_door(
    rows: list[tuple[int, int | None, int]],
) -> None:
    heads = [day_rules.Heads(str(n), *row) for n, row in enumerate(rows)]
    for one in heads:
        assert one.missing >= 0
        assert one.present == (one.counted if one.counted is not None else one.at_the_door)
    gone = day_rules.missing_groups(heads)
    assert all(one.expected and not one.present for one in gone)


@given(st.lists(st.integers(1, 5000) | st.none(), min_size=1, max_size=9), st.none() | st.integers(1, 900))
def test_the_whole_is_the_slowest_group_and_only_once_all_are_out(out: list[int | None], target: int | None) -> None:
    signal = datetime(2026, 11, 30, 1, tzinfo=UTC)
    times = [(n, signal + timedelta(seconds=s) if s is not None else None) for n, s in enumerate(out)]
    found = day_rules.evacuation(signal, times, target)
    if None in out:
        assert found.whole is None and found.in_time is None
    else:
        assert found.whole == max(s for s in out if s is not None)
        assert found.in_time is (None if target is None else found.whole <= target)


def test_groups_are_read_line_by_line_and_a_line_without_a_number_is_named(world: World, drill: int) -> None:
    with world.database.write() as session:
        taken, faults = day_attendance.add_groups(
            session, actor=world.liaison, occurrence_id=drill, lines="三号楼 42\n四号楼，38人\n没有数字\n三号楼 40\n\n"
        )
        assert taken == 3 and faults == [(3, "没有数字")]
        rows = day_attendance.attendance(session, drill).rows
        assert [(row.group.name, row.heads.expected) for row in rows] == [("三号楼", 40), ("四号楼", 38)]


def test_named_groups_of_which_nobody_came_are_shown(world: World, drill: int) -> None:
    with world.database.write() as session:
        day_attendance.add_groups(session, actor=world.liaison, occurrence_id=drill, lines="甲 5\n乙 6")
        first = day_attendance.groups(session, drill)[0]
        day_attendance.count(session, actor=world.liaison, group_id=first.id, people=5)
        found = day_attendance.attendance(session, drill)
        assert [one.name for one in found.missing] == ["乙"] and (found.present, found.expected) == (5, 11)


def test_typed_times_give_the_seconds_of_the_record(world: World, drill: int) -> None:
    with world.database.write() as session:
        occurrence = session.get_one(Occurrence, drill)
        day_attendance.add_groups(session, actor=world.liaison, occurrence_id=drill, lines="甲 5\n乙 6")
        one, two = (group.id for group in day_attendance.groups(session, drill))
        with pytest.raises(DomainError) as off:
            day_attendance.type_times(
                session, actor=world.liaison, occurrence_id=drill, signal_at=occurrence.starts_at - timedelta(days=3),
                seconds={one: 95, two: 131},
            )  # fmt: skip
        assert off.value.code == "clock_off"
        day_attendance.type_times(
            session, actor=world.liaison, occurrence_id=drill, signal_at=occurrence.starts_at,
            seconds={one: 95, two: 131},
        )  # fmt: skip
        facts = day_record.suggested(session, actor=world.liaison, occurrence_id=drill)
        assert facts.evacuation_seconds == 131 and facts.departments == "甲、乙"


# --- photographs --------------------------------------------------------------------------------------------------


MARKS = (b"Exif", b"GPS", b"SecretCam", b"ns.adobe.com", b"photographed by", b"MakerNoteBytes", b"2026:11:30",
         b"Photoshop", b"JFXX")  # fmt: skip


def with_everything(orientation: int = 6, size: tuple[int, int] = (400, 300)) -> bytes:
    """A JPEG as a telephone makes it: place, device, maker's note, comment, XMP, thumbnail, turned by 90 degrees."""
    image = Image.new("RGB", size, "#2f5d8a")
    image.paste("#ffffff", (0, 0, size[0] // 2, size[1] // 2))
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "SecretCam", "SecretCam 9", orientation
    inner = exif.get_ifd(0x8769)
    inner[0x9003], inner[0x9011], inner[0x927C] = "2026:11:30 09:32:10", "+08:00", b"MakerNoteBytes" * 40
    place = exif.get_ifd(0x8825)
    place[1], place[2], place[3], place[4] = "N", (38.0, 56.0, 12.34), "E", (116.0, 55.0, 43.21)
    target = io.BytesIO()
    image.save(
        target, "JPEG", exif=exif, comment=b"photographed by somebody",
        xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>http://ns.adobe.com/ 38.9367</x:xmpmeta>",
    )  # fmt: skip
    return target.getvalue()


def test_a_photograph_comes_out_without_its_place_and_device_and_upright() -> None:
    data = with_everything()
    assert b"SecretCam" in data and b"GPS" not in MARKS[:1]
    given = Image.open(io.BytesIO(data)).getexif()
    assert given.get_ifd(0x8825)[4] == (116.0, 55.0, 43.21), "the sample does carry a place"
    made = day_pictures.make(data)
    for whole in (made.data, made.thumb):
        assert not [mark for mark in MARKS if mark in whole]
        opened = Image.open(io.BytesIO(whole))
        assert not opened.getexif() and set(opened.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert (made.width, made.height) == (300, 400), "turned by its orientation before that was taken out"
    assert made.taken_at == datetime(2026, 11, 30, 1, 32, 10, tzinfo=UTC)
    # The place as the file writes it, as rationals: not a byte of it is left anywhere.
    for number in (4321, 11655, 1234):
        assert number.to_bytes(4, "big") + (100).to_bytes(4, "big") not in made.data


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_other_formats_lose_their_words_too(kind: str) -> None:
    image = Image.new("RGBA", (60, 40), (10, 20, 30, 0))
    target = io.BytesIO()
    if kind == "PNG":
        words = PngImagePlugin.PngInfo()
        words.add_text("Location", "38.9367,116.92")
        image.save(target, kind, pnginfo=words)
    else:
        exif = Image.Exif()
        exif[0x010F] = "SecretCam"
        image.save(target, kind, exif=exif)
    made = day_pictures.make(target.getvalue())
    assert made.data.startswith(b"\xff\xd8\xff") and b"38.9367" not in made.data and b"SecretCam" not in made.data
    assert Image.open(io.BytesIO(made.data)).getpixel((5, 5)) == (255, 255, 255), "see-through is white"


def test_a_large_picture_is_made_smaller() -> None:
    made = day_pictures.make(with_everything(1, (4000, 3000)))
    assert (made.width, made.height) == (2560, 1920)


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "not_a_picture"), (b"hello", "not_a_picture"), (b"\xff\xd8\xff\xe0 cut", "not_a_picture"),
     (b"\x00\x00\x00\x18ftypheic" + b"\x00" * 40, "heic"), (b"GIF89a\x01\x00\x01\x00", "not_a_picture"),
     (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_a_picture")],
)  # fmt: skip
def test_what_is_no_picture_is_refused_in_words(data: bytes, code: str) -> None:
    with pytest.raises(DomainError) as refused:
        day_pictures.make(data)
    assert refused.value.code == code


def test_a_picture_cut_in_two_is_refused() -> None:
    whole = with_everything()
    with pytest.raises(DomainError) as refused:
        day_pictures.make(whole[: len(whole) - 400])
    assert refused.value.code == "not_a_picture"


@given(
    st.binary(max_size=400),
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe1", b"RIFF\x00\x00\x00\x00WEBP", b""]),
)
def test_garbage_is_refused_and_never_breaks(rest: bytes, start: bytes) -> None:
    with pytest.raises(DomainError):
        day_pictures.make(start + rest)


def test_a_bomb_is_refused_before_it_unfolds() -> None:
    target = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(target, "PNG")
    assert len(target.getvalue()) < 200_000
    with pytest.raises(DomainError) as refused:
        day_pictures.make(target.getvalue())
    assert refused.value.code == "picture_too_large"


def test_a_photograph_is_sealed_journalled_and_deleted_with_a_reason(
    world: World, drill: int, clock: ManualClock
) -> None:
    picture = day_pictures.make(with_everything())
    with world.database.write() as session:
        photo = day_photos.add(
            session, actor=world.liaison, occurrence_id=drill, picture=picture, caption="张某一在集合点"
        )
        again = day_photos.add(session, actor=world.liaison, occurrence_id=drill, picture=picture)
        assert again.id == photo.id, "the same picture twice is one"
        assert picture.data[:40] not in (photo.data_sealed or b"") and "张".encode() not in (
            photo.caption_sealed or b""
        )
    with world.database.write() as session:
        opened = day_photos.opened(session, actor=BOTH, photo_id=photo.id, purpose=Purpose.DRILL)
        assert opened == picture.data
        with pytest.raises(DomainError) as refused:
            day_photos.opened(session, actor=NO_REVEAL, photo_id=photo.id, purpose=Purpose.DRILL)
        assert refused.value.status == 403
    with world.database.read() as session:
        entry = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "drill.photo_opened")).one()
        assert entry.purpose == "drill" and entry.subject_id == photo.id
    with world.database.write() as session:
        with pytest.raises(DomainError):
            day_photos.delete(session, actor=world.liaison, photo_id=photo.id, reason="")
        day_photos.delete(session, actor=world.liaison, photo_id=photo.id, reason="拍到未参演群众")
    with world.database.read() as session:
        gone = session.get_one(DrillPhoto, photo.id)
        assert gone.data_sealed is None and gone.thumb_sealed is None and gone.caption_sealed is None
        assert gone.reason_sealed is not None and day_photos.count(session, drill) == 0


def test_a_photograph_goes_when_its_time_is_over(world: World, drill: int, clock: ManualClock) -> None:
    with world.database.write() as session:
        photo = day_photos.add(
            session, actor=world.liaison, occurrence_id=drill, picture=day_pictures.make(with_everything())
        )
    assert day_photos.forget(world.database, clock.now()) == 0
    clock.advance(timedelta(days=1097))
    assert day_photos.forget(world.database, clock.now()) == 1
    with world.database.read() as session:
        assert session.get_one(DrillPhoto, photo.id).data_sealed is None


def test_a_name_left_at_the_door_goes_with_the_pictures_and_the_number_stays(
    world: World, drill: int, clock: ManualClock
) -> None:
    with world.database.write() as session:
        token = day_attendance.open_door(session, actor=world.liaison, occurrence_id=drill)
        door = day_attendance.by_token(session, token)
        assert door is not None
        day_attendance.check_in(session, door=door, device="x" * 20, group_id=None, people=7, name="王某一")
    assert day_photos.forget(world.database, clock.now()) == 0
    clock.advance(timedelta(days=1097))
    assert day_photos.forget(world.database, clock.now()) == 1
    with world.database.write() as session:
        assert day_attendance.attendance(session, drill).present == 7
        assert day_attendance.names(session, actor=BOTH, occurrence_id=drill, purpose=Purpose.DRILL) == []


def test_several_pictures_are_taken_and_the_bad_one_is_named(world: World, drill: int, app: flask.Flask) -> None:
    client = signed_in(app, BOTH)
    files = [(io.BytesIO(with_everything()), "王某的照片.jpg"), (io.BytesIO(b"x"), "b.jpg"),
             (io.BytesIO(with_everything(1)), "c.jpg")]  # fmt: skip
    told = client.post(f"/drills/{drill}/day/photos", data={"files": files, "caption": "集合"})
    assert told.status_code == 422 and "第 2 张未保存" in told.text and "已保存 2 张照片" in told.text
    shown = client.post(f"/drills/{drill}/day/photos/show", data={"purpose": "drill"})
    assert shown.status_code == 200 and shown.text.count("<img ") == 2 and "相机时间" in shown.text
    with world.database.read() as session:
        photo = session.scalars(sa.select(DrillPhoto.id)).first()
    answer = client.get(f"/drills/photos/{photo}/whole?purpose=drill")
    assert answer.mimetype == "image/jpeg" and b"GPS" not in answer.data
    assert client.post(f"/drills/{drill}/day/photos/show", data={}).status_code == 422


# --- notes --------------------------------------------------------------------------------------------------------


def test_pasted_lines_say_what_was_understood_line_by_line(world: World, drill: int) -> None:
    pasted = "09:32 三号楼疏散完毕\n9点5分 集合\n09：40，清点完毕\n没有时间\n25:00 x\n09:50\n23:59 将来\n03:00 很早"
    with world.database.write() as session:
        lines = day_notes.paste(session, actor=world.liaison, occurrence_id=drill, pasted=pasted)
        again = day_notes.paste(session, actor=world.liaison, occurrence_id=drill, pasted=pasted)
        assert len(again) == len(lines)
        kept = session.scalar(sa.select(sa.func.count()).select_from(DrillNote))
    assert [bool(line.fault) for line in lines] == [False, False, False, True, True, True, True, False]
    assert lines[-1].warning == day_rules.CLOCK_OFF
    assert kept == 4, "the same sheet pasted twice stays one"


@given(st.text(max_size=300))
def test_any_text_is_read_as_lines_without_breaking(pasted: str) -> None:
    now = datetime(2026, 11, 30, 4, tzinfo=UTC)
    for line in day_rules.read_lines(
        pasted, day=now.astimezone(BEIJING).date(), starts_at=now, ends_at=now + timedelta(hours=1), now=now
    ):
        assert line.fault or (line.at is not None and line.at <= now and line.text)


def test_a_note_keeps_its_own_time_and_is_marked_as_entered_later(world: World, drill: int, clock: ManualClock) -> None:
    with world.database.write() as session:
        begun = session.get_one(Occurrence, drill).starts_at
        with pytest.raises(DomainError) as refused:
            day_notes.add(
                session, actor=world.liaison, occurrence_id=drill, at=clock.now() + timedelta(seconds=1), text="未来"
            )
        assert refused.value.code == "in_the_future"
        for minutes, text in ((30, "第二"), (5, "第一")):
            day_notes.add(
                session, actor=world.liaison, occurrence_id=drill, at=begun + timedelta(minutes=minutes), text=text,
                who="张某一",
            )  # fmt: skip
        entries = day_notes.timeline(session, actor=world.liaison, occurrence_id=drill)
        assert [entry.free for entry in entries] == ["第一", "第二"] and all(entry.late for entry in entries)
        assert {entry.who for entry in entries} == {"张某某"}, "the name is masked until it is asked for"
        seen = day_notes.timeline(session, actor=person(Role.STOREKEEPER, id=8), occurrence_id=drill)
        assert seen == [], "who does not work on drills reads no notes"


# --- the record ---------------------------------------------------------------------------------------------------


def test_the_record_says_place_content_departments_even_where_nobody_typed_them(world: World, drill: int) -> None:
    with world.database.write() as session:
        occurrence = session.get_one(Occurrence, drill)
        made = day_record.record(
            session, actor=world.liaison, occurrence_id=drill,
            facts=day_record.RecordFacts(occurrence.starts_at, occurrence.ends_at, 40, people="张某一等四十人"),
        )  # fmt: skip
        assert made.place == "台头镇" and "防汛" in made.content and made.departments == "台头镇"
        assert (
            "张".encode() not in (made.people_sealed or b"") and day_record.people_of(session, made) == "张某一等四十人"
        )
        assert occurrence.state is OccurrenceState.HELD


def test_a_corrected_record_keeps_what_it_said_before_and_why(world: World, drill: int) -> None:
    with world.database.write() as session:
        occurrence = session.get_one(Occurrence, drill)
        facts = day_record.RecordFacts(occurrence.starts_at, occurrence.ends_at, 40, 50, 200)
        made = day_record.record(session, actor=world.liaison, occurrence_id=drill, facts=facts)
        fresh = day_record.facts_of(session, made)
        for reason, code in (("", "reason_required"), ("同样的", "unchanged")):
            with pytest.raises(DomainError) as refused:
                day_record.correct(
                    session, actor=world.liaison, occurrence_id=drill, version=1, facts=fresh, reason=reason
                )
            assert refused.value.code == code
        better = day_record.RecordFacts(occurrence.starts_at, occurrence.ends_at, 44, 50, 180)
        day_record.correct(
            session, actor=world.liaison, occurrence_id=drill, version=1, facts=better, reason="漏计医疗组四人"
        )
        with pytest.raises(DomainError) as stale:
            day_record.correct(session, actor=world.liaison, occurrence_id=drill, version=1, facts=facts, reason="x")
        assert stale.value.status == 409
        (before,) = day_record.history(session, made)
        assert (before.facts["attendance"], before.reason, before.row.version) == (40, "漏计医疗组四人", 1)
        assert (made.attendance, made.evacuation_seconds, made.version) == (44, 180, 2)
