"""Acting on a plan: who decides, what becomes of the checklist, and that drill and real never meet."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.asking import service as asking
from emergency.asking.models import Means, Question, QuestionState
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.plans import acting, acting_jobs, checklist, service, signals, situation, telling, triggers
from emergency.plans.activation_models import (
    Activation,
    ActivationEntry,
    ActivationEvacuation,
    ActivationLine,
    ActivationState,
    ActivationStep,
    ActivationSuggestion,
    Heard,
    LineState,
    StepState,
    SuggestionState,
)
from emergency.plans.activation_queries import my_lines, running
from emergency.plans.drafting import ActionText, Draft, LevelText
from emergency.plans.models import Plan, ResponseGrade
from kernel.errors import Conflict, DomainError, Forbidden, Invalid
from notify.models import Broadcast, Kind
from notify.text import render as rendered
from tests.plans.acting_support import DRILL, REAL, Make, Ready, line_id, lines, proposal, start
from tests.plans.support import DISTRICT, DULIU, TAITOU, person

G, L = ResponseGrade, LineState


@pytest.fixture(autouse=True)
def no_signals() -> Iterator[None]:
    before = (signals._reader, signals._standing, signals._names)
    yield
    signals._reader, signals._standing, signals._names = before


def test_another_person_decides_and_the_actions_become_a_checklist(
    ready: Ready, officer: Actor, approver: Actor
) -> None:
    with ready.database.write() as session:
        activation = acting.propose(session, actor=officer, plan_id=ready.plan_id, proposal=proposal())
        assert activation.state is ActivationState.PROPOSED
        step = session.scalars(sa.select(ActivationStep)).one()
        with pytest.raises(Forbidden):
            acting.decide(session, actor=officer, step_id=step.id, kind=REAL)
        acting.decide(session, actor=approver, step_id=step.id, kind=REAL)
        assert activation.state is ActivationState.RUNNING and step.state is StepState.DONE
    assert lines(ready, activation.id) == {"低洼村庄先行转移": L.OPEN, "召开会商会": L.OPEN, "队伍集结": L.OPEN}
    with ready.database.read() as session:
        row = session.scalars(sa.select(ActivationLine).where(ActivationLine.action == "队伍集结")).one()
        assert row.due_at == activation.started_at + timedelta(minutes=30) and row.division_code == TAITOU
        assert session.scalars(sa.select(ActivationEvacuation.people)).all() == [300]


def test_who_proposes_a_real_response_never_decides_it_and_an_approver_is_no_exception(
    ready: Ready, approver: Actor
) -> None:
    with ready.database.write() as session:
        acting.propose(session, actor=approver, plan_id=ready.plan_id, proposal=proposal())
        step = session.scalars(sa.select(ActivationStep)).one()
        with pytest.raises(Forbidden) as refused:
            acting.decide(session, actor=approver, step_id=step.id, kind=REAL)
        assert refused.value.code == "four_eyes" and step.state is StepState.WAITING
    with pytest.raises(sa.exc.IntegrityError), ready.database.write() as session:
        session.execute(
            sa.update(ActivationStep).values(state=StepState.DONE, settled_by=str(approver), settled_at=sa.func.now())
        )


def test_the_glass_is_broken_with_a_reason_for_what_is_real_and_never_for_an_exercise(
    ready: Ready, approver: Actor
) -> None:
    with ready.database.write() as session:
        acting.propose(session, actor=approver, plan_id=ready.plan_id, proposal=proposal())
        step = session.scalars(sa.select(ActivationStep)).one()
        with pytest.raises(Invalid):
            acting.break_glass(session, actor=approver, step_id=step.id, kind=REAL, reason=" ")
        done = acting.break_glass(session, actor=approver, step_id=step.id, kind=REAL, reason="无人应答")
        assert done.state is ActivationState.RUNNING and step.break_glass
    with ready.database.write() as session:
        activation = acting.propose(session, actor=approver, plan_id=ready.plan_id, proposal=proposal(DRILL))
        step = session.scalars(sa.select(ActivationStep).where(ActivationStep.activation_id == activation.id)).one()
        with pytest.raises(DomainError):
            acting.break_glass(session, actor=approver, step_id=step.id, kind=DRILL, reason="无人应答")


def test_the_same_plan_is_never_open_twice_as_the_same_kind(ready: Ready, officer: Actor, approver: Actor) -> None:
    first = start(ready, officer, approver)
    with ready.database.write() as session:
        again = acting.propose(session, actor=officer, plan_id=ready.plan_id, proposal=proposal())
        assert again.id == first, "the second press of the same proposal finds the first"
        with pytest.raises(Conflict) as refused:
            acting.propose(session, actor=approver, plan_id=ready.plan_id, proposal=proposal())
        assert refused.value.code == "already_running"
    drill = start(ready, officer, approver, DRILL)
    assert drill != first
    with pytest.raises(sa.exc.IntegrityError), ready.database.write() as session:
        values = {c.name: getattr(session.get_one(Activation, first), c.name) for c in Activation.__table__.columns}
        session.execute(sa.insert(Activation).values(**values | {"id": 77}))


def test_the_database_itself_keeps_an_exercise_an_exercise(ready: Ready, officer: Actor, approver: Actor) -> None:
    drill = start(ready, officer, approver, DRILL)
    for statement in (
        sa.update(Activation).where(Activation.id == drill).values(kind=REAL),
        sa.update(ActivationLine).where(ActivationLine.activation_id == drill).values(kind=REAL),
        sa.update(ActivationEntry).where(ActivationEntry.activation_id == drill).values(kind=REAL),
        sa.delete(ActivationEntry).where(ActivationEntry.activation_id == drill),
    ):
        with pytest.raises(sa.exc.DBAPIError), ready.database.write() as session:
            session.execute(statement)


def test_who_means_the_other_kind_changes_nothing(ready: Ready, officer: Actor, approver: Actor) -> None:
    drill = start(ready, officer, approver, DRILL)
    of = line_id(ready, drill, "召开会商会")
    with ready.database.write() as session:
        for attempt in (
            lambda: checklist.tick(session, actor=officer, line_id=of, to=L.DONE, kind=REAL),
            lambda: acting.change(session, actor=approver, activation_id=drill, kind=REAL, reason="水退", to=None),
            lambda: situation.note(session, actor=officer, activation_id=drill, kind=REAL, text="到岗"),
        ):
            with pytest.raises(Conflict) as refused:
                attempt()
            assert refused.value.code == "kind_mismatch"
        with pytest.raises(Invalid):
            acting.propose(
                session, actor=officer, plan_id=ready.plan_id, proposal=proposal(REAL, G.III, occurrence_id=9)
            )


def test_posts_are_told_by_the_account_of_the_kind_and_exercises_say_so(
    ready: Ready, officer: Actor, approver: Actor
) -> None:
    start(ready, officer, approver, DRILL)
    with ready.database.read() as session:
        text, kind = session.execute(
            sa.select(Broadcast.text, Broadcast.kind).where(Broadcast.kind != Kind.NOTICE)
        ).one()  # fmt: skip
        assert kind is Kind.EXERCISE and "【演练】" in text and "队伍集结" in text
    start(ready, officer, approver, REAL)
    with ready.database.read() as session:
        real = session.scalars(sa.select(Broadcast.text).where(Broadcast.kind == Kind.ACTUAL)).one()
        assert "演练" not in real


def test_raising_adds_lowering_closes_and_the_end_closes_everything(
    ready: Ready, officer: Actor, approver: Actor
) -> None:
    running_id = start(ready, officer, approver, DRILL, G.III)
    assert set(lines(ready, running_id)) == {"队伍集结"}
    with ready.database.write() as session:
        acting.change(session, actor=approver, activation_id=running_id, kind=DRILL, reason="水涨", to=G.I)
    assert len(lines(ready, running_id)) == 4
    with ready.database.write() as session:
        acting.change(session, actor=approver, activation_id=running_id, kind=DRILL, reason="水退", to=G.II)
    assert lines(ready, running_id)["逐村逐户转移"] is L.CLOSED and lines(ready, running_id)["队伍集结"] is L.OPEN
    with ready.database.write() as session:
        acting.change(session, actor=approver, activation_id=running_id, kind=DRILL, reason="又涨", to=G.I)
    assert lines(ready, running_id)["逐村逐户转移"] is L.OPEN, "its level came back"
    with ready.database.write() as session:
        acting.change(session, actor=approver, activation_id=running_id, kind=DRILL, reason="结束", to=None)
        row = session.get_one(Activation, running_id)
        assert row.state is ActivationState.ENDED and row.ended_at is not None
        assert session.scalar(sa.select(sa.func.count()).where(Question.state == QuestionState.OPEN)) == 0
    assert set(lines(ready, running_id).values()) == {L.CLOSED}
    with ready.database.write() as session:
        facts = situation.summary(session, actor=approver, activation_id=running_id)
        assert (facts.kind, facts.state, facts.lines["closed"], len(facts.levels)) == ("Exercise", "ended", 4, 5)


def test_a_later_issue_does_not_change_a_running_checklist(
    ready: Ready, officer: Actor, approver: Actor, planner: Actor, publish: Make
) -> None:
    running_id = start(ready, officer, approver)
    before = lines(ready, running_id)
    with ready.database.write() as session:
        row = service.new_draft(session, actor=planner, plan_id=ready.plan_id)
        row = service.edit_draft(
            session, actor=planner, version_id=row.id, version=row.version,
            draft=Draft(levels=[LevelText(G.II, "新", "新", [ActionText("新任务", within_minutes=1)])]),
        )  # fmt: skip
        publish(session, row)
    assert lines(ready, running_id) == before
    with ready.database.write() as session:
        assert session.get_one(Activation, running_id).version_id == ready.version_id


def test_a_proposal_under_a_text_that_was_replaced_is_not_carried_out(
    ready: Ready, officer: Actor, approver: Actor, planner: Actor, publish: Make
) -> None:
    with ready.database.write() as session:
        acting.propose(session, actor=officer, plan_id=ready.plan_id, proposal=proposal())
        publish(session, service.new_draft(session, actor=planner, plan_id=ready.plan_id))
        step = session.scalars(sa.select(ActivationStep)).one()
        with pytest.raises(Conflict) as refused:
            acting.decide(session, actor=approver, step_id=step.id, kind=REAL)
        assert refused.value.code == "plan_changed"


def test_pressed_twice_changes_nothing_and_a_second_person_hears_who_was_first(
    ready: Ready, officer: Actor, approver: Actor
) -> None:
    of = line_id(ready, start(ready, officer, approver), "队伍集结")
    with ready.database.write() as session:
        first = checklist.tick(session, actor=officer, line_id=of, to=L.TAKEN, kind=REAL)
        again = checklist.tick(session, actor=officer, line_id=of, to=L.TAKEN, kind=REAL)
        assert first.version == again.version
        with pytest.raises(Conflict) as refused:
            checklist.tick(session, actor=approver, line_id=of, to=L.TAKEN, kind=REAL)
        assert refused.value.code == "taken_already" and refused.value.params["who"] == "account:3"
        with pytest.raises(Invalid):
            checklist.tick(session, actor=approver, line_id=of, to=L.NOT_APPLICABLE, kind=REAL)
        checklist.tick(session, actor=approver, line_id=of, to=L.DONE, kind=REAL, heard=Heard.PHONE, note="已到 20 人")
        logged = session.scalars(sa.select(ActivationEntry).where(ActivationEntry.subject_id == of)).all()
        assert [e.data["to"] for e in logged] == ["taken", "done"] and logged[1].text_sealed is not None
        assert b"20" not in logged[1].text_sealed


def test_of_two_people_at_once_one_takes_the_line(ready: Ready, officer: Actor, approver: Actor) -> None:
    of = line_id(ready, start(ready, officer, approver), "队伍集结")
    gate, outcomes = threading.Barrier(2), []

    def go(actor: Actor) -> None:
        gate.wait()
        try:
            with ready.database.write() as session:
                checklist.tick(session, actor=actor, line_id=of, to=L.TAKEN, kind=REAL)
            outcomes.append("won")
        except Conflict as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=go, args=(actor,)) for actor in (officer, approver)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["taken_already", "won"]


def test_of_two_deciders_at_once_the_posts_are_asked_once(ready: Ready, officer: Actor, approver: Actor) -> None:
    with ready.database.write() as session:
        activation = acting.propose(session, actor=officer, plan_id=ready.plan_id, proposal=proposal())
        step_id = session.scalars(sa.select(ActivationStep.id)).one()
    gate, outcomes = threading.Barrier(2), []

    def go(actor: Actor) -> None:
        gate.wait()
        try:
            with ready.database.write() as session:
                acting.decide(session, actor=actor, step_id=step_id, kind=REAL)
            outcomes.append("won")
        except DomainError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=go, args=(a,)) for a in (approver, person(Role.APPROVER, id=9))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["won", "wrong_state"]
    with ready.database.read() as session:
        asked = session.scalars(sa.select(Question.post_id).where(Question.subject_id == activation.id)).all()
        assert asked == [ready.post_id]


def test_stopped_in_the_middle_nothing_of_a_decision_is_kept(
    ready: Ready, officer: Actor, approver: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ready.database.write() as session:
        activation = acting.propose(session, actor=officer, plan_id=ready.plan_id, proposal=proposal())
        step_id = session.scalars(sa.select(ActivationStep.id)).one()

    def killed(*_args: Any, **_kw: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(telling, "decided", killed)
        with pytest.raises(SystemExit), ready.database.write() as session:
            acting.decide(session, actor=approver, step_id=step_id, kind=REAL)
    with ready.database.read() as session:
        assert session.get_one(Activation, activation.id).state is ActivationState.PROPOSED
        assert session.scalar(sa.select(sa.func.count()).select_from(ActivationLine)) == 0
    with ready.database.write() as session:
        acting.decide(session, actor=approver, step_id=step_id, kind=REAL)


def test_a_post_that_answers_takes_its_lines_and_later_finishes_them(
    ready: Ready, officer: Actor, approver: Actor
) -> None:
    running_id = start(ready, officer, approver)
    with ready.database.write() as session:
        question = session.scalars(sa.select(Question).where(Question.post_id == ready.post_id)).one()
        asking.answer(session, actor=officer, question_id=question.id, answer="taken", means=Means.PHONE)
    assert list(lines(ready, running_id).values()).count(L.TAKEN) == 2
    with ready.database.write() as session:
        asking.answer(session, actor=officer, question_id=question.id, answer="done", means=Means.PHONE)
    assert lines(ready, running_id)["队伍集结"] is L.DONE and lines(ready, running_id)["召开会商会"] is L.OPEN


def test_a_late_post_is_told_by_the_minutes_and_never_twice(ready: Ready, officer: Actor, approver: Actor) -> None:
    running_id = start(ready, officer, approver)
    with ready.database.read() as session:
        begun = session.get_one(Activation, running_id).started_at
    assert begun is not None

    def told(minutes: int) -> int:
        return acting_jobs.tell_late(ready.database, begun + timedelta(minutes=minutes))

    assert [told(m) for m in (29, 31, 32, 46, 46)] == [0, 1, 0, 1, 0]
    with ready.database.write() as session:
        of = session.scalars(sa.select(ActivationLine.id).where(ActivationLine.action == "队伍集结")).one()
        checklist.tick(session, actor=officer, line_id=of, to=L.DONE, kind=REAL)
    assert told(59) == 0, "what is done is not late"
    with ready.database.read() as session:
        texts = session.scalars(sa.select(Broadcast.text).where(Broadcast.kind == Kind.ACTUAL)).all()
        assert sum("超时" in text for text in texts) == 2


def test_a_township_acts_on_its_own_lines_and_a_neighbour_sees_none(
    ready: Ready, officer: Actor, approver: Actor
) -> None:
    running_id = start(ready, officer, approver)
    mine, theirs = line_id(ready, running_id, "队伍集结"), line_id(ready, running_id, "召开会商会")
    town, other = person(Role.LIAISON, division=TAITOU, id=5), person(Role.LIAISON, division=DULIU, id=6)
    with ready.database.write() as session:
        assert [m.line.action for m in my_lines(session, town)[0]] == ["队伍集结", "低洼村庄先行转移"]
        assert my_lines(session, other) == ([], 0)
        checklist.tick(session, actor=town, line_id=mine, to=L.TAKEN, kind=REAL)
        for actor, of in ((town, theirs), (other, mine)):
            with pytest.raises(Forbidden) as refused:
                checklist.tick(session, actor=actor, line_id=of, to=L.DONE, kind=REAL)
            assert refused.value.code == "out_of_scope"
        with pytest.raises(Forbidden):
            acting.change(session, actor=town, activation_id=running_id, kind=REAL, reason="x", to=None)
        assert [s.activation.id for s in running(session, other)] == [running_id], (
            "the district's response binds it too"
        )


def test_heads_are_reported_and_a_report_on_an_old_page_is_refused(
    ready: Ready, officer: Actor, approver: Actor
) -> None:
    running_id = start(ready, officer, approver)
    with ready.database.write() as session:
        row = session.scalars(sa.select(ActivationEvacuation)).one()
        heads = situation.Heads(informed=280, gone=200, refused=3, helped=11)
        situation.report(session, actor=officer, evacuation_id=row.id, kind=REAL, heads=heads, version=1)
        with pytest.raises(Conflict):
            situation.report(session, actor=approver, evacuation_id=row.id, kind=REAL, version=1,
                             heads=situation.Heads(1, 1, 1, 1))  # fmt: skip
        with pytest.raises(Invalid):
            situation.report(session, actor=officer, evacuation_id=row.id, kind=REAL, heads=situation.Heads(1, 1, 0, 2))
        sums = situation.totals(session, running_id)
        assert (sums.people, sums.informed, sums.gone, sums.refused, sums.helped) == (300, 280, 200, 3, 11)


def test_braces_in_a_title_arrive_as_they_were_written(ready: Ready, officer: Actor, approver: Actor) -> None:
    start(ready, officer, approver)
    with ready.database.write() as session:
        plan = session.get_one(Plan, ready.plan_id)
        plan.title = "防汛预案{试行}"
        activation = session.scalars(sa.select(Activation)).one()
        telling.late(session, activation, plan, ready.post_id, session.scalars(sa.select(ActivationLine)).all())
    with ready.database.read() as session:
        told = session.scalars(sa.select(Broadcast).where(Broadcast.subject_kind == telling.SUBJECT)).all()[-1]
        assert "防汛预案{试行}" in rendered(told.text, None)


def test_numbers_in_what_was_written_are_masked(ready: Ready, officer: Actor, approver: Actor) -> None:
    running_id = start(ready, officer, approver)
    with ready.database.write() as session:
        situation.note(session, actor=officer, activation_id=running_id, kind=REAL, text="王某 13800001111 报告漫堤")
        shown = situation.story(session, actor=officer, activation_id=running_id)
        assert any("138****1111" in line.text for line in shown) and not any("13800001111" in s.text for s in shown)


def signal(real: bool = True, level: str = "orange", code: str = TAITOU, warning_id: int = 7) -> signals.Signal:
    return signals.Signal(warning_id, "暴雨橙色预警", level, "11B03", ("暴雨",), real, (code,), datetime(2026, 11, 23, tzinfo=UTC), "/w")  # fmt: skip


def test_a_warning_suggests_the_level_that_its_colour_names_and_starts_nothing(
    ready: Ready, officer: Actor, approver: Actor
) -> None:
    standing = [signal()]
    signals.provide(lambda *_: standing, lambda *_: standing, lambda _s: frozenset({"暴雨", "洪水"}))
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    assert acting_jobs.suggest(ready.database, moment) == 1 and acting_jobs.suggest(ready.database, moment) == 0
    with ready.database.read() as session:
        row = session.scalars(sa.select(ActivationSuggestion)).one()
        assert (row.grade, row.kind, row.state) == (G.II, REAL, SuggestionState.OPEN)
        assert session.scalar(sa.select(sa.func.count()).select_from(Activation)) == 0
    start(ready, officer, approver)
    with ready.database.read() as session:
        assert session.scalars(sa.select(ActivationSuggestion.state)).one() is SuggestionState.USED


def test_an_exercise_suggests_an_exercise_and_a_neighbours_warning_nothing(ready: Ready, approver: Actor) -> None:
    standing = [signal(real=False)]
    signals.provide(lambda *_: standing, lambda *_: standing, lambda _s: frozenset({"暴雨"}))
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    acting_jobs.suggest(ready.database, moment)
    standing[:] = [signal(code="120117000000", warning_id=8)]
    acting_jobs.suggest(ready.database, moment)
    with ready.database.write() as session:
        row = session.scalars(sa.select(ActivationSuggestion)).one()
        assert row.kind is DRILL and row.state is SuggestionState.PASSED, "its warning is no longer in force"
        with pytest.raises(Conflict):
            triggers.dismiss(session, actor=approver, suggestion_id=row.id, reason="雨停")


def test_only_who_may_decide_dismisses_a_suggestion(ready: Ready, planner: Actor, approver: Actor) -> None:
    standing = [signal(real=False)]
    signals.provide(lambda *_: standing, lambda *_: standing, lambda _s: frozenset({"暴雨"}))
    acting_jobs.suggest(ready.database, datetime(2026, 11, 23, tzinfo=UTC))
    with ready.database.read() as session:
        suggestion_id = session.scalars(sa.select(ActivationSuggestion.id)).one()
    for actor in (planner, person(Role.LIAISON, id=7), person(Role.DUTY_OFFICER, id=8)):
        with ready.database.write() as session, pytest.raises(Forbidden):
            triggers.dismiss(session, actor=actor, suggestion_id=suggestion_id, reason="雨停")
    with ready.database.write() as session:
        row = triggers.dismiss(session, actor=approver, suggestion_id=suggestion_id, reason="雨停")
        assert row.state is SuggestionState.DISMISSED and row.settled_by == str(approver)


def test_statistics_of_drills_and_of_the_real_are_two(ready: Ready, officer: Actor, approver: Actor) -> None:
    start(ready, officer, approver, DRILL)
    with ready.database.read() as session:
        counted = [
            situation.statistics(session, actor=approver, kind=kind, year=datetime.now(UTC).year).begun
            for kind in (DRILL, REAL)
        ]
        year = session.scalars(sa.select(Activation.started_at)).one()
        assert year is not None
        counted = [situation.statistics(session, actor=approver, kind=k, year=year.year).begun for k in (DRILL, REAL)]
        assert counted == [1, 0]


def test_a_line_in_words_is_given_to_a_post_which_is_told_once(ready: Ready, officer: Actor, approver: Actor) -> None:
    of = line_id(ready, start(ready, officer, approver), "召开会商会")
    with ready.database.write() as session:
        for _ in range(2):
            telling.hand_over(session, actor=officer, line_id=of, post_id=ready.post_id, kind=REAL)
        assert session.scalar(sa.select(sa.func.count()).where(Question.post_id == ready.post_id)) == 2


def test_district_is_the_plans_ground(ready: Ready) -> None:
    assert signals.touches((TAITOU,), DISTRICT) and signals.touches((DISTRICT,), TAITOU)
    assert not signals.touches((DULIU,), TAITOU)
