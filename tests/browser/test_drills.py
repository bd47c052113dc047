"""Drills in a real browser: every state of a drill, a year and a finding can be used by everybody, and on a phone."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]

TAITOU = "120118104000"
OF_A_DAY = ("day", "day/msel", "day/attendance", "day/evacuation", "day/log", "day/photos", "day/record", "day/board",
            "day/print", "learning", "learning/report", "inspections")  # fmt: skip


def _pages_file() -> Any:
    spec = importlib.util.spec_from_file_location("browser_pages", Path(__file__).with_name("test_pages.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = _pages_file()
LOOK: Callable[..., list[str]] = PAGES.complaints


def _one(session: Any, column: Any, *conditions: Any) -> int:
    found = session.scalar(sa.select(column).where(*conditions).order_by(column).limit(1))
    assert found is not None, f"the demo has no {column} with {conditions}"
    return int(found)


@pytest.fixture(scope="module")
def running(product: Any) -> int:
    """A tabletop drill in its first scenario hour: one message left, one is for a runner, one was missed."""
    from emergency.drills import day_msel, day_running, service
    from emergency.drills.day_models import DrillInject, InjectState, InjectVia
    from emergency.drills.day_msel import InjectFacts, Owner
    from emergency.drills.models import DrillKind, Form, Occurrence, Programme
    from emergency.drills.planning import NewProgramme
    from emergency.http.actor import Actor
    from emergency.people.posts.models import Post, PostState
    from kernel.clock import BEIJING
    from scheduler.recurrence import Freq, Recurrence

    actor, database = Actor.system("test"), product.runtime.database
    soon = (datetime.now(UTC) + timedelta(minutes=30)).astimezone(BEIJING)
    with database.write() as session:
        made = service.create_programme(
            session, actor=actor,
            facts=NewProgramme("台头镇防汛会商桌面演练", DrillKind.FLOOD, Form.TABLETOP, TAITOU,
                               Recurrence(Freq.YEARLY, soon.date(), until=soon.date()), soon.time().replace(tzinfo=None),
                               place="镇应急指挥室"),
        )  # fmt: skip
        occurrence_id = _one(session, Occurrence.id, Occurrence.programme_id == made.id)
        post = _one(session, Post.id, Post.division_code == TAITOU, Post.state == PostState.HELD)
        owner = Owner(session.get_one(Programme, made.id), session.get_one(Occurrence, occurrence_id))
        for number, (words, via) in enumerate(
            (("请各村责任人十分钟内到岗。", InjectVia.SMS), ("义和桥积水，车辆不能通行。", InjectVia.RUNNER),
             ("安置点饮用水只够半天。", InjectVia.RADIO), ("请报转移人数。", InjectVia.SMS))
        ):  # fmt: skip
            facts = InjectFacts(number + 1, number * 600, "镇防汛指挥部", via, words,
                                post_ids=(post,) if via.by_engine else (), expected="按预案处置并报告")  # fmt: skip
            day_msel.add(session, actor=actor, owner=owner, facts=facts)
        day_running.start(session, actor=actor, occurrence_id=occurrence_id, factor=10, reason="红色预警在别处")
        for number, state in ((1, InjectState.SENT), (2, InjectState.WAITING), (3, InjectState.MISSED)):
            session.execute(
                sa.update(DrillInject)
                .where(DrillInject.occurrence_id == occurrence_id, DrillInject.number == number)
                .values(state=state, done_at=database.clock.now())
            )
    return occurrence_id


@pytest.fixture(scope="module")
def states(product: Any, running: int) -> list[str]:
    """One page of every state that the room shows, as the demo district has it."""
    from emergency.drills.day_models import DayState, DrillDay, DrillInject
    from emergency.drills.learning_models import (
        ActionState,
        CorrectiveAction,
        DrillReport,
        Finding,
        FindingState,
        Objective,
    )
    from emergency.drills.models import Occurrence, OccurrenceState, Programme, ProgrammeState
    from emergency.drills.proposal_models import ItemState, ProposalItem, YearProposal

    S = OccurrenceState
    with product.runtime.database.read() as session:
        past = _one(session, DrillDay.occurrence_id, DrillDay.state == DayState.ENDED)
        ready = _one(session, DrillDay.occurrence_id, DrillDay.state == DayState.READY)
        drills = {running, past, ready} | {
            _one(session, Occurrence.id, Occurrence.state == state)
            for state in (S.PLANNED, S.INVITED, S.CANCELLED, S.MISSED, S.HELD)
        }
        year = f"/drills/year/{_one(session, YearProposal.id)}"
        programme = _one(session, Programme.id, Programme.state == ProgrammeState.PAUSED)
        inject = _one(session, DrillInject.id, DrillInject.occurrence_id == running)
        return [
            *(f"/drills/{drill}" for drill in sorted(drills)),
            *(f"/drills/{past}/{part}" for part in OF_A_DAY),
            *(f"/drills/{running}/{part}" for part in OF_A_DAY[:8]),
            *(f"/drills/{ready}/{part}" for part in ("day", "day/door", "learning", "finding")),
            f"/drills/injects/{inject}/day", f"/drills/injects/{inject}",
            f"/drills/programmes/{programme}",
            *(f"{year}{part}" for part in ("", "?state=proposed", "?state=refused", "/accept", "/gaps", "/print")),
            *(f"/drills/year/items/{_one(session, ProposalItem.id, ProposalItem.state == state)}"
              for state in (ItemState.PROPOSED, ItemState.ACCEPTED)),
            *(f"/drills/findings/{_one(session, Finding.id, Finding.state == state)}" for state in FindingState),
            *(f"/drills/actions/{_one(session, CorrectiveAction.id, CorrectiveAction.state == state)}"
              for state in ActionState),
            f"/drills/objectives/{_one(session, Objective.id)}",
            f"/drills/reports/{_one(session, DrillReport.id)}",
            f"/drills/compliance/division/{TAITOU}",
            f"/drills/compliance?town={TAITOU}", f"/drills/calendar?town={TAITOU}",
            "/drills/actions?due=overdue", "/drills?days=90",
        ]  # fmt: skip


@pytest.mark.parametrize(("language", "width"), [("zh", 360), ("en", 1280)])
def test_every_state_of_a_drill_can_be_used_by_everybody(
    visit: Any, states: list[str], language: str, width: int
) -> None:
    tab, found = visit(language, width), {}
    for path in states:
        said = LOOK(tab, path, phone=width == 360, chinese=language == "zh", axe=width == 360)
        if said:
            found[path] = said
            tab.close()
            tab = visit(language, width)
    report = "\n".join(f"{path}\n    " + "\n    ".join(said) for path, said in found.items())
    assert not found, f"{len(found)} of {len(states)} pages:\n{report}"


@pytest.mark.parametrize("who", ["liaison", "village"])
def test_who_only_looks_at_drills_can_use_what_is_shown(visit: Any, states: list[str], who: str) -> None:
    tab, found, seen = visit("zh", 360, who=who), {}, 0
    for path in ("/drills", "/drills/calendar", "/drills/compliance", "/drills/feeds", *states[:3]):
        said = LOOK(tab, path, phone=True, chinese=True)
        seen += not any("answered" in words for words in said)
        said = [words for words in said if not words.startswith(("answered 403", "answered 404", "console: Failed"))]
        if said:
            found[path] = said
    assert not found, found
    assert seen, f"{who} may open no page of drills"


def test_a_form_with_faults_says_where_and_keeps_what_was_typed(visit: Any) -> None:
    tab = visit("zh", 360)
    tab.goto("/drills/new")
    tab.fill("[name=place]", "村委会门口")
    tab.evaluate("document.querySelector('main form').noValidate = true")
    tab.click("button[value=save]")
    assert tab.input_value("[name=place]") == "村委会门口"
    assert tab.locator(".wrong[role=alert] a").count() >= 3
    assert tab.locator("[name=title]").get_attribute("aria-describedby") == "title-error"
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_changed_programme_is_previewed_before_it_is_saved(visit: Any, product: Any) -> None:
    from emergency.drills.models import Programme, ProgrammeState

    with product.runtime.database.read() as session:
        programme = _one(session, Programme.id, Programme.state == ProgrammeState.ACTIVE)
    tab = visit("zh", 360)
    tab.goto(f"/drills/programmes/{programme}/edit")
    tab.fill("[name=start_time]", "16:20")
    tab.click("button[value=preview]")
    assert "按此调整" in tab.inner_text("main")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    tab.goto(f"/drills/programmes/{programme}")
    assert "16:20" not in tab.inner_text("main"), "a preview saves nothing"


@pytest.mark.parametrize("address", ["/c/guessed-guessed-guessed-1", "/d/guessed-guessed-guessed-1"])
def test_a_guessed_address_says_what_to_do_and_nothing_else(visit: Any, address: str) -> None:
    tab = visit("zh", 360, signed_in=False)
    assert tab.goto(address).status == 404
    assert "无效" in tab.inner_text("h1")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_gate_takes_a_check_in_on_a_phone(visit: Any, product: Any, running: int) -> None:
    from emergency.drills import day_attendance
    from emergency.http.actor import Actor

    with product.runtime.database.write() as session:
        token = day_attendance.open_door(session, actor=Actor.system("test"), occurrence_id=running)
    for language, chinese in (("en", False), ("zh", True)):
        tab = visit(language, 360, signed_in=False)
        assert LOOK(tab, f"/d/{token}", phone=True, chinese=chinese) == []


@pytest.mark.skipif(not os.environ.get("EMERGENCY_SCREENSHOTS"), reason="EMERGENCY_SCREENSHOTS is not set")
def test_screenshots_of_drills(visit: Any, product: Any, running: int) -> None:
    from emergency.drills.day_models import DayState, DrillDay
    from emergency.drills.proposal_models import YearProposal

    with product.runtime.database.read() as session:
        past = _one(session, DrillDay.occurrence_id, DrillDay.state == DayState.ENDED)
        ready = _one(session, DrillDay.occurrence_id, DrillDay.state == DayState.READY)
        year = _one(session, YearProposal.id)
    shown = {
        "drill": f"/drills/{ready}",
        "drill-compliance": "/drills/compliance",
        "drill-year": f"/drills/year/{year}",
        "drill-running": f"/drills/{running}/day",
        "drill-improvement": f"/drills/{past}/learning",
        "drill-actions": "/drills/actions",
    }
    for suffix, language, width, height in (("", "zh", 1280, 900), ("-en", "en", 1280, 900), ("-360", "zh", 360, 780)):
        tab = visit(language, width, height, who="planner")
        for name, path in shown.items():
            if PAGES.pictured(name) and (language == "zh" or name == "drill"):
                assert tab.goto(path).status == 200, path
                tab.wait_for_timeout(200)
                tab.screenshot(path=PAGES.SCREENSHOTS / f"{name}{suffix}.png")
