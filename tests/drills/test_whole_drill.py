"""A drill from its invitation to its improvement plan over real sockets, with the scenario's time compressed.

Each step is a function of the house, so that what comes after the day (evaluation, improvement plan) goes on from it.
"""

from __future__ import annotations

import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from emergency.divisions.models import UnitKind
from emergency.drills import (
    day_attendance,
    day_copying,
    day_msel,
    day_notes,
    day_photos,
    day_pictures,
    day_record,
    day_running,
    day_sending,
    lawbook,
    learning_nudges,
    learning_papers,
    learning_rules,
    service,
)
from emergency.drills import learning_findings as findings
from emergency.drills.day_models import DayState, DrillCheckin, DrillInject, InjectState, InjectVia, Observed
from emergency.drills.day_msel import InjectFacts
from emergency.drills.learning_models import ActionState, Cause, CorrectiveAction, Rating, Said
from emergency.drills.learning_whole import gather
from emergency.drills.models import DrillKind, Form, Occurrence, OccurrenceState, Record
from emergency.http.permissions import Role
from emergency.people.posts.models import Duty
from kernel.clock import BEIJING
from kernel.db import Database, now
from notify.models import Broadcast, Kind
from scheduler.recurrence import Freq, Recurrence
from scheduler.workdays import import_known
from tests.drills.test_day_people import with_everything
from tests.drills.test_learning import a_plan, issued, texts_of
from tests.house import House as AtWork
from tests.house import wait_for
from tests.plans.support import TAITOU, YIHE, add_post, add_unit, person, places

PLANNER = person(Role.PLANNER, id=1)
OFFICER = person(Role.PLANNER, Role.DUTY_OFFICER, id=2)
LIAISON = person(Role.LIAISON, division=TAITOU, id=3)
CHIEF, GONG = "+8615400000001", "+8615400000002"
FACTOR = 60


@dataclass
class Scene:
    """The drill, its posts and its injects by number."""

    drill: int
    chief: int
    gong: int


def build(database: Database) -> Scene:
    """A township with two posts that can be asked, and a tabletop drill of tomorrow with a pattern of injects."""
    with database.write() as session:
        places(session)
        import_known(session)
        lawbook.load(session)
        add_unit(session, "台头镇中心小学", TAITOU, UnitKind.SCHOOL, "primary_school")
        chief = add_post(session, TAITOU, Duty.FLOOD_CHIEF, CHIEF.removeprefix("+86"))
        gong = add_post(session, YIHE, Duty.GONG_KEEPER, GONG.removeprefix("+86"))
        moment = now(session)
        day = moment.astimezone(BEIJING).date() + timedelta(days=1)
        at = (moment.astimezone(BEIJING) + timedelta(hours=1)).time().replace(microsecond=0)
        programme = service.create_programme(
            session, actor=PLANNER,
            facts=service.NewProgramme(
                "台头镇防汛转移桌面演练", DrillKind.FLOOD, Form.TABLETOP, TAITOU,
                Recurrence(Freq.YEARLY, day, until=day), at, duration_minutes=90, target_seconds=120,
                place="镇应急指挥室", post_ids=[chief, gong],
            ),
        )  # fmt: skip
        pattern = day_msel.owner_of(session, actor=PLANNER, programme_id=programme.id)
        for number, minutes, via, posts, words in (
            (1, 1, InjectVia.SMS, [chief], "水位上涨，请十分钟内到岗。"),
            (2, 2, InjectVia.RADIO, [], "义和桥积水，车辆不能通行。"),
            (3, 4, InjectVia.SMS, [chief, gong], "请立即组织低洼户转移。"),
        ):
            facts = InjectFacts(number, minutes * 60, "区防汛抗旱指挥部", via, words, posts, "按方案处置")
            day_msel.add(session, actor=PLANNER, owner=pattern, facts=facts)
        drill = session.scalars(sa.select(Occurrence.id).where(Occurrence.programme_id == programme.id)).one()
    return Scene(drill, chief, gong)


class House(AtWork):
    """A house whose phones can write back."""

    world: Scene

    def gateway_options(self) -> list[str]:
        return ["--inbound-url", f"{self.config.public_url}/webhooks/twilio/inbound"]

    def write(self, body: str, phone: str) -> None:
        """The phone writes."""
        request = urllib.request.Request(
            f"{self.url}/control/reply", json.dumps({"from": phone, "body": body}).encode(),
            {"Content-Type": "application/json", "Authorization": "Bearer x"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status == 201

    def texts(self, phone: str) -> list[str]:
        """What the phone got, oldest first."""
        return [text for number, text in self.messages() if number == phone]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path, build) as built:
        yield built


def occurrence(house: House) -> Occurrence:
    """The drill as it stands."""
    with house.database.read() as session:
        return session.get_one(Occurrence, house.world.drill)


def invite_and_confirm(house: House) -> None:
    """Both posts are asked; one answers by text, the other by the page behind the link."""
    with house.database.write() as session:
        assert service.invite(session, actor=PLANNER, occurrence_id=house.world.drill) == 2
    wait_for(lambda: len(house.texts(CHIEF)) == 1 and len(house.texts(GONG)) == 1)
    house.write("1", CHIEF)
    link = re.search(r"http://\S+/c/[\w-]+", house.texts(GONG)[0])
    assert link is not None
    with urllib.request.urlopen(link.group(0), timeout=5) as page:
        assert page.status == 200
    data = urllib.parse.urlencode({"answer": "yes"}).encode()
    with urllib.request.urlopen(link.group(0), data, timeout=5) as page:
        assert page.status == 200
    wait_for(lambda: occurrence(house).state is OccurrenceState.CONFIRMED)


def move_to_today(house: House) -> None:
    """The date is moved to within the hour, and everybody's yes is kept for this test's sake."""
    with house.database.write() as session:
        found = session.get_one(Occurrence, house.world.drill)
        length = found.ends_at - found.starts_at
        found.starts_at = now(session) + timedelta(minutes=20)
        found.ends_at = found.starts_at + length


def run_the_day(house: House) -> None:
    """The director starts; the ticker sends each inject at its minute of the scenario; what is by hand is delivered."""
    drill, database = house.world.drill, house.database
    assert day_copying.copy_patterns(database, database.clock.now()) == 1
    before = len(house.messages())
    with database.write() as session:
        day = day_running.start(session, actor=PLANNER, occurrence_id=drill, factor=FACTOR)
        begun = day.began_at
    assert begun is not None
    ends = time.monotonic() + 30
    while time.monotonic() < ends and set(injects(house).values()) & {InjectState.PLANNED}:
        day_running.send_due(database, database.clock.now())
        time.sleep(0.1)
    assert injects(house) == {1: InjectState.SENT, 2: InjectState.WAITING, 3: InjectState.SENT}
    with database.read() as session:
        for number, minutes in ((1, 1), (2, 2), (3, 4)):
            row = session.scalars(
                sa.select(DrillInject).where(DrillInject.occurrence_id == drill, DrillInject.number == number)
            ).one()
            assert row.done_at is not None
            late = (row.done_at - begun).total_seconds() - minutes * 60 / FACTOR
            assert 0 <= late < 3, f"no. {number} was {late:.1f} s off its minute"
        sent = session.scalars(sa.select(Broadcast).where(Broadcast.subject_kind == day_sending.SUBJECT)).all()
        assert {one.kind for one in sent} == {Kind.EXERCISE}
    wait_for(lambda: len(house.messages()) == before + 3)
    for _number, text in house.messages()[before:]:
        assert text.count("【演练】") == 2, "every text is wrapped in the mark on the phone itself"
    with database.write() as session:
        rows = session.scalars(
            sa.select(DrillInject).where(DrillInject.occurrence_id == drill).order_by(DrillInject.number)
        ).all()
        day_running.delivered(session, actor=LIAISON, inject_id=rows[1].id)
        for row, seen in zip(rows, (Observed.DONE, Observed.PARTLY, Observed.NOT_DONE), strict=True):
            day_running.observe(
                session, actor=LIAISON, inject_id=row.id, observed=seen, at=now(session), words="张某一在场"
            )
    wait_for(lambda: reached(house) == 3)


def injects(house: House) -> dict[int, InjectState]:
    """The states of the drill's injects by number."""
    with house.database.read() as session:
        rows = session.scalars(sa.select(DrillInject).where(DrillInject.occurrence_id == house.world.drill))
        return {row.number: row.state for row in rows}


def reached(house: House) -> int:
    """How many phones confirmed an inject."""
    with house.database.read() as session:
        ids = [b for b in session.scalars(sa.select(DrillInject.broadcast_id)) if b is not None]
        return sum(one.reached for one in day_sending.reach(session, ids).values())


def count_heads(house: House) -> None:
    """Groups are expected; people check in by the QR code over the web; one group is counted by hand."""
    with house.database.write() as session:
        day_attendance.add_groups(
            session, actor=LIAISON, occurrence_id=house.world.drill, lines="义和村委会 30\n镇机关 12"
        )
        token = day_attendance.open_door(session, actor=LIAISON, occurrence_id=house.world.drill)
        one, two = (group.id for group in day_attendance.groups(session, house.world.drill))
    url = f"{house.config.public_url}/d/{token}"
    with urllib.request.urlopen(url, timeout=5) as page:
        once = re.search(r'name="once" value="([^"]+)"', page.read().decode())
    assert once is not None
    for people in ("27", "28"):
        form = {"group": str(one), "people": people, "once": once.group(1), "name": "王某一"}
        with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), timeout=5) as page:
            assert page.status == 200
    with house.database.write() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(DrillCheckin)) == 1
        day_attendance.count(session, actor=LIAISON, group_id=two, people=12)
        heads = day_attendance.attendance(session, house.world.drill)
        assert (heads.present, heads.expected, heads.missing) == (40, 42, [])


def evacuate(house: House) -> None:
    """The stopwatch runs from the signal until both groups are out."""
    with house.database.write() as session:
        day_attendance.give_signal(session, actor=LIAISON, occurrence_id=house.world.drill)
        ids = [group.id for group in day_attendance.groups(session, house.world.drill)]
    for group_id in ids:
        time.sleep(1.1)
        with house.database.write() as session:
            day_attendance.everybody_out(session, actor=LIAISON, group_id=group_id)


def keep_pictures_and_notes(house: House) -> None:
    """A photograph without its place, and notes of somebody who had no network."""
    picture = day_pictures.make(with_everything())
    with house.database.write() as session:
        day_photos.add(session, actor=LIAISON, occurrence_id=house.world.drill, picture=picture, caption="指挥室")
        local = now(session).astimezone(BEIJING)
        today = f"{local.month}月{local.day}日"
        pasted = f"{today} {local - timedelta(minutes=1):%H:%M} 义和村报告到岗\n{today} {local:%H:%M} 转移车辆到位"
        lines = day_notes.paste(session, actor=LIAISON, occurrence_id=house.world.drill, pasted=pasted, who="赵某一")
        assert [line.fault for line in lines] == ["", ""]


def end_and_record(house: House) -> int:
    """The drill ends; the record is filled in from the day and written. Returns the record's id."""
    drill = house.world.drill
    with house.database.write() as session:
        assert day_running.end(session, actor=PLANNER, occurrence_id=drill).state is DayState.ENDED
    with house.database.write() as session:
        facts = day_record.suggested(session, actor=LIAISON, occurrence_id=drill)
        assert (facts.attendance, facts.expected) == (40, 42)
        assert facts.evacuation_seconds is not None and 2 <= facts.evacuation_seconds <= 10
        assert facts.place == "镇应急指挥室" and facts.departments == "义和村委会、镇机关"
        made = service.record(session, actor=LIAISON, occurrence_id=drill, facts=facts)
        return made.id


def evaluate_and_find(house: House) -> tuple[int, int, int]:
    """A sheet is handed in, a finding asks for a plan's revision, a post gets the action. Plan, finding, action."""
    drill = house.world.drill
    with house.database.write() as session:
        service.evaluate(session, actor=PLANNER, occurrence_id=drill, objectives=[("十分钟内到岗", Rating.P),
                         ("低洼户全部转移", Rating.M)], strengths="到岗及时")  # fmt: skip
        plan_id = a_plan(session, now(session) - timedelta(days=9))
        issued(session, plan_id, 1, now(session) - timedelta(days=9))
        finding = service.add_finding(session, actor=PLANNER, occurrence_id=drill, text="义和桥积水时没有备用路线",
                                      cause=Cause.PLAN, root_cause="预案只写了一条路线", plan_id=plan_id)  # fmt: skip
        due = now(session).astimezone(BEIJING).date() + timedelta(days=10)
        action = service.add_action(session, actor=PLANNER, finding_id=finding.id, text="勘定备用路线并写入预案",
                                    owner_post_id=house.world.chief, due_on=due)  # fmt: skip
    return plan_id, finding.id, action.id


def be_reminded_and_answer(house: House, action_id: int) -> None:
    """Before its date the post gets one text and answers it; the answer lands and finishes nothing."""
    before = len(house.texts(CHIEF))
    with house.database.read() as session:
        due = session.get_one(CorrectiveAction, action_id).due_on
    soon = learning_rules.morning(due - timedelta(days=3)) + timedelta(minutes=1)
    assert learning_nudges.escalate(house.database, soon) == 1
    assert learning_nudges.escalate(house.database, soon) == 0
    wait_for(lambda: len(house.texts(CHIEF)) == before + 1)
    assert "勘定备用路线" in house.texts(CHIEF)[-1] and "【演练】" not in house.texts(CHIEF)[-1], "mending is real work"
    house.write("1", CHIEF)
    wait_for(lambda: _said(house, action_id) is Said.DONE)


def _said(house: House, action_id: int) -> Said | None:
    with house.database.read() as session:
        row = session.get_one(CorrectiveAction, action_id)
        assert row.state is ActionState.OPEN
        return row.said


def mend(house: House, plan_id: int, finding_id: int, action_id: int) -> None:
    """Proof, a second look, a new version of the plan: only then is the finding closed."""
    with house.database.write() as session:
        service.finish_action(session, actor=PLANNER, action_id=action_id, proof="路线图已附", done_by="post:1")
        service.verify_action(session, actor=OFFICER, action_id=action_id)
        assert findings.mendings(session, actor=PLANNER) == []
    with house.database.write() as session:
        version = issued(session, plan_id, 2, now(session))
        assert [m.finding.id for m in findings.mendings(session, actor=PLANNER)] == [finding_id]
        service.close_finding(session, actor=PLANNER, finding_id=finding_id, version_id=version)


def write_the_report(house: House) -> str:
    """The evaluation report with its improvement plan, read back from Word."""
    with house.database.write() as session:
        whole = gather(session, actor=PLANNER, occurrence_id=house.world.drill)
        return texts_of(learning_papers.evaluation_report(session, actor=PLANNER, whole=whole))


def test_a_drill_runs_from_its_invitation_to_its_improvement_plan(house: House) -> None:
    invite_and_confirm(house)
    move_to_today(house)
    run_the_day(house)
    count_heads(house)
    evacuate(house)
    keep_pictures_and_notes(house)
    record_id = end_and_record(house)
    assert occurrence(house).state is OccurrenceState.HELD
    with house.database.write() as session:
        row = session.get_one(Record, record_id)
        assert row.attendance == 40 and row.content and row.evacuation_seconds
        day = day_notes.timeline(session, actor=LIAISON, occurrence_id=house.world.drill)
        assert [entry.at for entry in day] == sorted(entry.at for entry in day)
        assert {entry.kind.value for entry in day} == {"clock", "inject", "action", "heads", "out", "note"}
    kept = house.config.path("instance/emergency.db").read_bytes()
    for personal in ("王某一", "赵某一", "张某一在场", "SecretCam"):
        assert personal.encode() not in kept, personal
    assert not [text for _number, text in house.messages()[2:] if "【演练】" not in text]
    plan_id, finding_id, action_id = evaluate_and_find(house)
    be_reminded_and_answer(house, action_id)
    mend(house, plan_id, finding_id, action_id)
    text = write_the_report(house)
    for part in ("低洼户全部转移", Rating.M.zh, "义和桥积水时没有备用路线", "预案只写了一条路线", "勘定备用路线并写入预案",
                 ActionState.VERIFIED.zh, "已闭环（预案第2版）", "实到40人，应到42人", "【演练】"):  # fmt: skip
        assert part in text, part
    assert "路线图已附" not in text and "王某一" not in text
