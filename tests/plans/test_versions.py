"""Writing a draft piece by piece, the redline, review rounds, approval by rule, restoring; on pages as people meet them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import flask
import pytest
import sqlalchemy as sa

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.people.posts.models import Duty
from emergency.plans import approval, editing, keeping, picking, presence, reviewing, service
from emergency.plans.compare import Sign, compare, compare_sections
from emergency.plans.drafting import ActionText, Draft, EvacuationText, LevelText, RelianceText, SectionText
from emergency.plans.models import (
    Hazard,
    Plan,
    PlanKind,
    PlanLevel,
    PlanSection,
    PlanVersion,
    ResponseGrade,
    VersionState,
)
from emergency.plans.review_models import ApprovalWay, CommentAnswer, RoundOutcome
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from tests.plans.support import DULIU, TAITOU, YIHE, add_post, person, signed_in

Make = Callable[..., Any]
OTHER = person(Role.PLANNER, id=9)
TOWN = {"kind": PlanKind.TOWNSHIP, "level": PlanLevel.TOWNSHIP, "title": "台头镇防汛预案", "division_code": TAITOU}


def _sections(session: Any, version_id: int) -> list[PlanSection]:
    return list(
        session.scalars(
            sa.select(PlanSection).where(PlanSection.version_id == version_id).order_by(PlanSection.position)
        )
    )


# ---- writing ----


def test_two_people_who_write_different_sections_never_meet(district: Database, make: Make, planner: Actor) -> None:
    with district.write() as session:
        _plan, row = make(session)
        first, second = _sections(session, row.id)[:2]
        read = editing.digest(first), editing.digest(second)
    for who, section, was, words in ((planner, first, read[0], "甲的"), (OTHER, second, read[1], "乙的")):
        with district.write() as session:
            editing.save_section(
                session, actor=who, version_id=row.id, section_id=section.id, was=was,
                text=SectionText(section.heading, words),
            )  # fmt: skip
    with district.read() as session:
        assert [s.body for s in _sections(session, row.id)[:2]] == ["甲的", "乙的"]


def test_the_second_saver_of_one_section_overwrites_nothing_and_gets_theirs(
    district: Database, make: Make, planner: Actor
) -> None:
    with district.write() as session:
        _plan, row = make(session)
        section = _sections(session, row.id)[0]
        was = editing.digest(section)
    with district.write() as session:
        editing.save_section(session, actor=OTHER, version_id=row.id, section_id=section.id, was=was,
                             text=SectionText("总则", "先存的"))  # fmt: skip
    with pytest.raises(editing.Stale) as refused, district.write() as session:
        editing.save_section(session, actor=planner, version_id=row.id, section_id=section.id, was=was,
                             text=SectionText("总则", "后存的"))  # fmt: skip
    assert refused.value.stored.body == "先存的" and refused.value.code == "version_conflict"
    with district.read() as session:
        assert _sections(session, row.id)[0].body == "先存的"


def test_sections_are_added_moved_and_removed_and_keep_their_ids(
    district: Database, make: Make, planner: Actor
) -> None:
    with district.write() as session:
        _plan, row = make(session)
        before = [s.id for s in _sections(session, row.id)]
        new = editing.save_section(session, actor=planner, version_id=row.id, after_id=before[0],
                                   text=SectionText("编制目的", number="1.1", depth=2))  # fmt: skip
        editing.move(session, actor=planner, version_id=row.id, kind="section", piece_id=before[-1], by=-1)
        editing.remove(session, actor=planner, version_id=row.id, kind="section", piece_id=before[1],
                       was=editing.digest(session.get(PlanSection, before[1])))  # fmt: skip
        after = _sections(session, row.id)
    assert [s.id for s in after] == [before[0], new.id, *before[2:-2], before[-1], before[-2]]
    assert [s.position for s in after] == list(range(1, len(after) + 1)) and new.depth == 2


def test_a_telephone_number_in_the_text_is_refused_without_repeating_it(
    district: Database, make: Make, planner: Actor
) -> None:
    with district.write() as session:
        _plan, row = make(session)
    with pytest.raises(DomainError) as refused, district.write() as session:
        editing.save_section(session, actor=planner, version_id=row.id,
                             text=SectionText("联系方式", "镇长 13800138000"))  # fmt: skip
    assert refused.value.code == "phone_in_text" and "13800138000" not in str(refused.value)


def test_levels_acts_lines_and_reliances_are_written_and_checked(
    district: Database, make: Make, planner: Actor
) -> None:
    with district.write() as session:
        _plan, row = make(session)
        post = add_post(session, YIHE, Duty.FLOOD_CHIEF, "13900000001")
        level = editing.save_level(session, actor=planner, version_id=row.id,
                                   text=LevelText(ResponseGrade.II, "水位超过 6 米", "区指挥部"))  # fmt: skip
        act = editing.save_action(session, actor=planner, version_id=row.id, level_id=level.id,
                                  text=ActionText("组织转移", post, within_minutes=30))  # fmt: skip
        line = editing.save_evacuation(session, actor=planner, version_id=row.id,
                                       text=EvacuationText("镇小学", subject_code=YIHE, people=120, post_id=post))  # fmt: skip
        held = editing.save_reliance(session, actor=planner, version_id=row.id, text=RelianceText("post", post))
        text = service.version_text(session, actor=planner, version_id=row.id)
    assert text.parts.actions[level.id][0].id == act.id and text.parts.evacuation[0].id == line.id
    assert text.parts.reliances[0].id == held.id
    for wrong in (
        lambda s: editing.save_level(s, actor=planner, version_id=row.id, text=LevelText(ResponseGrade.II, "再一次")),
        lambda s: editing.save_reliance(s, actor=planner, version_id=row.id, text=RelianceText("post", post)),
        lambda s: editing.save_reliance(s, actor=planner, version_id=row.id, text=RelianceText("unit", 7)),
        lambda s: editing.save_evacuation(s, actor=planner, version_id=row.id, text=EvacuationText("镇小学")),
        lambda s: editing.save_evacuation(
            s, actor=planner, version_id=row.id, text=EvacuationText("镇小学", subject_code="110101000000")
        ),
    ):
        with pytest.raises(Invalid), district.write() as session:
            wrong(session)


def test_what_was_submitted_cannot_be_written_any_more(district: Database, make: Make, planner: Actor) -> None:
    with district.write() as session:
        _plan, row = make(session)
        service.submit(session, actor=planner, version_id=row.id, version=row.version)
    with pytest.raises(Conflict) as refused, district.write() as session:
        editing.save_section(session, actor=planner, version_id=row.id, text=SectionText("总则"))
    assert refused.value.code == "wrong_state"


def test_a_neighbours_draft_cannot_be_written(district: Database, make: Make) -> None:
    with district.write() as session:
        _plan, row = make(session, **TOWN)
    with pytest.raises(NotFound), district.write() as session:
        editing.save_section(session, actor=person(Role.PLANNER, division=DULIU, id=8), version_id=row.id,
                             text=SectionText("总则"))  # fmt: skip


def test_presence_is_a_hint_of_minutes(district: Database, make: Make, planner: Actor, clock: ManualClock) -> None:
    with district.write() as session:
        _plan, row = make(session)
        presence.here(session, actor=OTHER, version_id=row.id)
        presence.here(session, actor=OTHER, version_id=row.id)
        presence.here(session, actor=planner, version_id=row.id)
        assert [p.actor for p in presence.others(session, actor=planner, version_id=row.id)] == [str(OTHER)]
    clock.advance((presence.MINUTES + 1) * 60)
    with district.read() as session:
        assert presence.others(session, actor=planner, version_id=row.id) == []


def test_searching_finds_posts_and_places_of_ones_area_only(district: Database, planner: Actor) -> None:
    with district.write() as session:
        post = add_post(session, YIHE, Duty.FLOOD_CHIEF, "13900000001")
        mine = picking.find(session, actor=planner, kind="post", q="义和 防汛")
        assert [f.key for f in mine] == [str(post)]
        neighbour = person(Role.PLANNER, division=DULIU)
        assert picking.find(session, actor=neighbour, kind="post", q="义和") == []
        assert [f.key for f in picking.find(session, actor=planner, kind="division", q="义和")] == [YIHE]
        assert picking.find(session, actor=planner, kind="post", q=" ") == []


# ---- redline, restoring ----


def _row(number: str, heading: str, body: str) -> PlanSection:
    return PlanSection(number=number, heading=heading, body=body, depth=1, position=0, part=None)


def test_a_section_is_recognised_where_it_moved_was_renumbered_or_renamed() -> None:
    old = [_row("1", "总则", "甲"), _row("2", "组织指挥", "乙" * 30), _row("3", "保障", "丙"), _row("4", "附则", "丁")]
    new = [
        _row("1", "总则", "甲"),
        _row("2", "保障", "丙改"),
        _row("3", "指挥体系", "乙" * 30),
        _row("4", "新节", "戊"),
    ]
    found = compare_sections(old, new)
    assert [(c.sign, c.moved, c.section.heading) for c in found] == [
        (Sign.SAME, False, "总则"), (Sign.CHANGED, True, "保障"), (Sign.CHANGED, False, "指挥体系"),
        (Sign.CHANGED, False, "新节"),
    ]  # fmt: skip


def test_the_redline_of_two_versions_names_every_kind_of_difference(
    district: Database, make: Make, publish: Make, planner: Actor
) -> None:
    with district.write() as session:
        plan, row = make(session)
        service.edit_draft(session, actor=planner, version_id=row.id, version=row.version, draft=Draft(
            levels=[LevelText(ResponseGrade.I, "水位 7 米", "区长", [ActionText("转移")])],
            evacuation=[EvacuationText("镇小学", subject_code=YIHE, people=10)],
        ))  # fmt: skip
        publish(session, row)
        draft = service.new_draft(session, actor=planner, plan_id=plan.id)
        text = service.version_text(session, actor=planner, version_id=draft.id)
        moved = [SectionText(s.heading, s.body, s.number, s.depth, s.part) for s in text.sections]
        moved = [moved[0], *moved[2:], moved[1]]
        service.edit_draft(session, actor=planner, version_id=draft.id, version=draft.version, draft=Draft(
            sections=[*moved, SectionText("新增一节", "文字")],
            levels=[LevelText(ResponseGrade.I, "水位 8 米", "区长", [ActionText("立即转移")])],
            evacuation=[EvacuationText("镇中学", subject_code=YIHE, people=12)],
        ))  # fmt: skip
        found = compare(session, actor=planner, old_id=row.id, new_id=draft.id)
    assert found.counts == {"added": 1, "removed": 0, "changed": 0, "moved": 1, "rows": 3}
    cells = dict(found.lists["levels"][0].cells)
    assert [(s.op, s.text) for s in cells["Begins when"]] == [("=", "水位 "), ("-", "7"), ("+", "8"), ("=", " 米")]
    assert found.lists["evacuation"][0].title == "义和村委会"


def test_versions_of_two_plans_are_not_compared(district: Database, make: Make, planner: Actor) -> None:
    with district.write() as session:
        _a, one = make(session)
        _b, two = make(session, title="静海区燃气预案")
        with pytest.raises(Invalid):
            compare(session, actor=planner, old_id=one.id, new_id=two.id)


def test_an_old_text_is_restored_as_a_new_draft_and_what_was_issued_stays(
    district: Database, make: Make, publish: Make, planner: Actor, app: flask.Flask
) -> None:
    with district.write() as session:
        plan, row = make(session)
        publish(session, row)
        second = service.new_draft(session, actor=planner, plan_id=plan.id)
        section = _sections(session, second.id)[0]
        editing.save_section(session, actor=planner, version_id=second.id, section_id=section.id,
                             was=editing.digest(section), text=SectionText("总则", "第二版"))  # fmt: skip
        second = service.get_version(session, actor=planner, version_id=second.id)[0]
        section = _sections(session, second.id)[0]
        full = [SectionText(s.heading, s.body, part=s.part) for s in _sections(session, row.id)]
        service.edit_draft(session, actor=planner, version_id=second.id, version=second.version,
                           draft=Draft(sections=[SectionText("总则", "第二版", part=full[0].part), *full[1:]]))  # fmt: skip
        publish(session, second)
    client = signed_in(app, planner)
    assert client.post(f"/plans/versions/{row.id}/restore").status_code == 303
    with district.read() as session:
        third = session.scalar(sa.select(PlanVersion).where(PlanVersion.number == 3))
        assert third is not None and third.state is VersionState.DRAFT and third.based_on_id == row.id
        assert _sections(session, third.id)[0].body == _sections(session, row.id)[0].body
        assert _sections(session, second.id)[0].body == "第二版"


# ---- review rounds ----


def test_comments_are_answered_one_by_one_before_the_text_is_submitted_again(
    district: Database, make: Make, planner: Actor, approver: Actor
) -> None:
    with district.write() as session:
        _plan, row = make(session)
        row = service.submit(session, actor=planner, version_id=row.id, version=row.version)
        section = _sections(session, row.id)[0]
        one = reviewing.comment(session, actor=approver, version_id=row.id, text="目的不清", section_id=section.id)
        two = reviewing.comment(session, actor=approver, version_id=row.id, text="全文缺时限")
        assert b"\xe7\x9b\xae\xe7\x9a\x84" not in one.text_sealed
        with pytest.raises(Conflict) as open_ones:
            service.pass_review(session, actor=approver, version_id=row.id, version=row.version)
        assert open_ones.value.code == "unresolved_comments"
        row = service.return_version(session, actor=approver, version_id=row.id, version=row.version, reason="见意见")
        reviewing.answer(session, actor=planner, comment_id=one.id, said=CommentAnswer.ACCEPTED)
        with pytest.raises(Conflict) as waiting:
            service.submit(session, actor=planner, version_id=row.id, version=row.version)
        assert waiting.value.code == "unanswered_comments"
        with pytest.raises(Invalid):
            reviewing.answer(session, actor=planner, comment_id=two.id, said=CommentAnswer.NOT_ACCEPTED, text=" ")
        reviewing.answer(session, actor=planner, comment_id=two.id, said=CommentAnswer.NOT_ACCEPTED, text="见附件")
        row = service.submit(session, actor=planner, version_id=row.id, version=row.version)
        for comment in (one, two):
            reviewing.resolve(session, actor=approver, comment_id=comment.id)
        row = service.pass_review(session, actor=approver, version_id=row.id, version=row.version)
        service.approve(session, actor=approver, version_id=row.id, version=row.version)
        held = reviewing.rounds(session, actor=planner, version_id=row.id)
    assert [r.row.number for r in held] == [2, 1]
    assert [r.row.outcome for r in held] == [RoundOutcome.APPROVED, RoundOutcome.RETURNED]
    assert [(c.row.place, c.text, c.answer_text) for c in held[1].comments] == [
        ("总则", "目的不清", ""), ("", "全文缺时限", "见附件"),
    ]  # fmt: skip


def test_the_author_neither_comments_nor_resolves_and_only_the_writer_withdraws(
    district: Database, make: Make, planner: Actor, approver: Actor
) -> None:
    both = person(Role.PLANNER, Role.APPROVER, id=1)
    with district.write() as session:
        _plan, row = make(session)
        service.submit(session, actor=planner, version_id=row.id, version=row.version)
        with pytest.raises(Forbidden):
            reviewing.comment(session, actor=both, version_id=row.id, text="自评")
        kept = reviewing.comment(session, actor=approver, version_id=row.id, text="意见")
        with pytest.raises(Forbidden):
            reviewing.withdraw(session, actor=person(Role.APPROVER, id=5), comment_id=kept.id)
        reviewing.withdraw(session, actor=approver, comment_id=kept.id)
        assert reviewing.rounds(session, actor=planner, version_id=row.id)[0].comments == []


# ---- rules and the act of approval ----


def test_every_kind_has_its_approving_body_and_the_act_is_recorded(
    district: Database, make: Make, planner: Actor, approver: Actor
) -> None:
    with district.write() as session:
        assert {rule.kind for rule in approval.rules(session)} == set(PlanKind)
        _plan, row = make(session)
        row = service.submit(session, actor=planner, version_id=row.id, version=row.version)
        row = service.pass_review(session, actor=approver, version_id=row.id, version=row.version)
        tomorrow = approval.Decision("区政府", date(2026, 11, 24))
        with pytest.raises(Invalid):
            approval.record(session, actor=approver, plan=_plan, version=row, decision=tomorrow)
        service.approve(session, actor=approver, version_id=row.id, version=row.version, decision=approval.Decision(
            "静海区人民政府", date(2026, 11, 20), ApprovalWay.GOVERNMENT_MEETING, "第 31 次常务会议", "静政会〔2026〕31号",
        ))  # fmt: skip
        held = approval.approval_of(session, row.id)
    assert held is not None and held.meeting == "第 31 次常务会议" and held.rule_id is not None
    assert held.entered_by == str(approver)


def test_rules_change_with_a_reason_and_keep_their_history_and_townships_keep_off(
    district: Database, planner: Actor
) -> None:
    with district.write() as session:
        rule = next(r for r in approval.rules(session) if r.kind is PlanKind.TOWNSHIP)
        text = approval.RuleText("镇长办公会", "the mayor's meeting", ApprovalWay.GOVERNMENT_MEETING, source="区里规定")
        before, read = rule.body, rule.version
        with pytest.raises(Forbidden):
            approval.change_rule(session, actor=person(Role.PLANNER, division=TAITOU), rule_id=rule.id, version=read,
                                 text=text, reason="本镇")  # fmt: skip
        approval.change_rule(session, actor=planner, rule_id=rule.id, version=read, text=text, reason="区政府办文件")
        with pytest.raises(Conflict):
            approval.change_rule(session, actor=planner, rule_id=rule.id, version=read, text=text, reason="又一次")
        place = approval.destinations(session)[0]
        approval.change_destination(session, actor=planner, destination_id=place.id, was=place.body, body="天津市人民政府",
                                    body_en="", source="市里规定", evidence="seen", reason="明确名称")  # fmt: skip
        changes = approval.history(session)
    assert rule.body == "镇长办公会" and place.body == place.body_en == "天津市人民政府"
    assert any(before in (change.reason or "") and "区政府办文件" in (change.reason or "") for change in changes)


# ---- facts, parents ----


def _facts(plan: Plan, **changes: Any) -> keeping.PlanFacts:
    given: dict[str, Any] = {
        "title": plan.title, "issuer": plan.issuer, "hazards": [Hazard.FLOOD], "parent_id": plan.parent_id,
        "owner_post_id": None, "evaluate_months": None, "public": False,
    } | changes  # fmt: skip
    return keeping.PlanFacts(**given)


def test_facts_change_as_read_and_a_draft_follows_the_new_parent(
    district: Database, make: Make, publish: Make, planner: Actor
) -> None:
    with district.write() as session:
        parent, above = make(session)
        publish(session, above)
        plan, row = make(session, **TOWN)
        post = add_post(session, TAITOU, Duty.LIAISON, "13900000002")
        read = plan.version
        keeping.change(session, actor=planner, plan_id=plan.id, version=read,
                       facts=_facts(plan, parent_id=parent.id, owner_post_id=post, title="新名称"))  # fmt: skip
        session.refresh(row)
        assert row.parent_version_id == above.id and plan.owner_post_id == post and plan.title == "新名称"
        with pytest.raises(Conflict):
            keeping.change(session, actor=planner, plan_id=plan.id, version=read, facts=_facts(plan))


def test_a_cycle_and_a_repealed_parent_are_refused_on_the_page(
    district: Database, make: Make, publish: Make, app: flask.Flask, planner: Actor, approver: Actor
) -> None:
    with district.write() as session:
        top, row = make(session)
        publish(session, row)
        below, _draft = make(session, title="静海区排水预案", parent_id=top.id)
        gone, old = make(session, title="旧预案")
        publish(session, old)
        service.repeal(session, actor=approver, plan_id=gone.id, reason="已合并")
    client = signed_in(app, planner)
    data = {"title": "静海区防汛预案", "issuer": "区政府", "hazards": ["flood"], "version": "1"}
    for parent in (below.id, gone.id):
        with district.read() as session:
            version = session.get(Plan, top.id).version  # type: ignore[union-attr]
        answer = client.post(f"/plans/{top.id}/facts", data=data | {"version": version, "parent": f"plan:{parent}"})
        assert answer.status_code == 422 and 'role="alert"' in answer.text
    with district.read() as session:
        assert session.get(Plan, top.id).parent_id is None  # type: ignore[union-attr]


def test_a_workbook_and_an_action_scheme_stand_beneath_a_plan(district: Database, make: Make) -> None:
    for kind in (PlanKind.WORKBOOK, PlanKind.ACTION):
        with pytest.raises(Invalid) as refused, district.write() as session:
            make(session, kind=kind, title="工作手册")
        assert refused.value.code == "needs_parent"
        with district.write() as session:
            plan, _above = make(session, title=f"上级 {kind.value}")
            book, _text = make(session, kind=kind, title="工作手册", parent_id=plan.id)
            assert book.parent_id == plan.id


# ---- pages ----


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_of_the_editor_review_and_rules_opens(
    district: Database, app: flask.Flask, make: Make, publish: Make, planner: Actor, approver: Actor, language: str
) -> None:
    with district.write() as session:
        plan, row = make(session)
        publish(session, row)
        draft = service.new_draft(session, actor=planner, plan_id=plan.id)
        post = add_post(session, YIHE, Duty.FLOOD_CHIEF, "13900000001")
        level = editing.save_level(session, actor=planner, version_id=draft.id,
                                   text=LevelText(ResponseGrade.II, "水位"))  # fmt: skip
        act = editing.save_action(session, actor=planner, version_id=draft.id, level_id=level.id,
                                  text=ActionText("转移", post))  # fmt: skip
        line = editing.save_evacuation(session, actor=planner, version_id=draft.id,
                                       text=EvacuationText("镇小学", subject_code=YIHE, post_id=post))  # fmt: skip
        held = editing.save_reliance(session, actor=planner, version_id=draft.id, text=RelianceText("post", post))
        section = _sections(session, draft.id)[0]
        rule, body = approval.rules(session)[0], approval.destinations(session)[0]
        other, waiting = make(session, title="静海区燃气预案")
        service.submit(session, actor=planner, version_id=waiting.id, version=waiting.version)
        reviewing.comment(session, actor=approver, version_id=waiting.id, text="意见")
    base = f"/plans/versions/{draft.id}"
    client = signed_in(app, person(Role.PLANNER, Role.APPROVER, id=2), language)
    for path in (f"{base}/edit", f"{base}/section/new?after=0", f"{base}/section/{section.id}", f"{base}/level/new",
                 f"{base}/level/{level.id}", f"{base}/action/new?level={level.id}", f"{base}/action/{act.id}",
                 f"{base}/evacuation/new", f"{base}/evacuation/{line.id}", f"{base}/reliance/new",
                 f"{base}/reliance/{held.id}", f"{base}/explanation", f"/plans/{plan.id}/facts", f"{base}/review",
                 f"/plans/{plan.id}/redline", f"/plans/{plan.id}/redline?old={row.id}&new={draft.id}&all=1",
                 f"/plans/versions/{waiting.id}/review", f"/plans/versions/{waiting.id}", "/plans/rules",
                 f"/plans/rules/approval/{rule.id}", "/plans/rules/approval/new", f"/plans/rules/filing/{body.id}",
                 "/plans/rules/filing/new", f"/plans/{other.id}", f"/plans/{plan.id}", base):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text[:400])
        assert answer.text.count("<h1") == 1, path
    with district.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(PlanVersion)) == 3, "reading makes nothing"


def test_an_issued_text_offers_no_form_and_nothing_is_made_by_asking(
    district: Database, app: flask.Flask, make: Make, publish: Make, planner: Actor
) -> None:
    with district.write() as session:
        plan, row = make(session)
        publish(session, row)
    client = signed_in(app, planner)
    for path in ("edit", "section/new", "explanation"):
        answer = client.get(f"/plans/versions/{row.id}/{path}")
        assert answer.status_code == 409 and "<textarea" not in answer.text, path
    assert client.get(f"/plans/{plan.id}/draft").status_code == 405
    with district.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(PlanVersion)) == 1


def test_the_page_shows_both_texts_and_saves_the_merged_one(
    district: Database, app: flask.Flask, make: Make, planner: Actor
) -> None:
    with district.write() as session:
        _plan, row = make(session)
        section = _sections(session, row.id)[0]
        was = editing.digest(section)
        editing.save_section(session, actor=OTHER, version_id=row.id, section_id=section.id, was=was,
                             text=SectionText("总则", "先存的一句"))  # fmt: skip
    client = signed_in(app, planner)
    url = f"/plans/versions/{row.id}/section/{section.id}"
    late = client.post(url, data={"heading": "总则", "depth": "1", "part": "", "body": "后写的一句", "was": was})
    assert late.status_code == 409 and "先存的一句" in late.text and "后写的一句" in late.text
    assert "<del>" in late.text and "<ins>" in late.text
    with district.read() as session:
        now_read = editing.digest(session.get(PlanSection, section.id))
    assert now_read in late.text
    merged = {"heading": "总则", "depth": "1", "part": "", "body": "先存的一句\n后写的一句", "was": now_read}
    assert client.post(url, data=merged).status_code == 303
    with district.read() as session:
        assert session.get(PlanSection, section.id).body == "先存的一句\n后写的一句"  # type: ignore[union-attr]


def test_a_line_is_added_by_search_without_script(
    district: Database, app: flask.Flask, make: Make, planner: Actor
) -> None:
    with district.write() as session:
        _plan, row = make(session)
    client = signed_in(app, planner)
    url = f"/plans/versions/{row.id}/evacuation/new"
    typed = {"destination": "镇小学", "people": "12", "grade": "", "kind-subject": "division", "q-subject": "义和"}
    found = client.post(url, data=typed | {"do": "find-subject"})
    assert found.status_code == 200 and f'value="division:{YIHE}"' in found.text and 'value="镇小学"' in found.text
    assert client.post(url, data=typed).status_code == 422, "nothing was chosen"
    assert client.post(url, data=typed | {"subject": f"division:{YIHE}"}).status_code == 303
    edit = client.get(f"/plans/versions/{row.id}/edit").text
    assert "义和村委会" in edit and "镇小学" in edit


def test_a_phone_number_on_the_page_keeps_what_was_typed_and_says_what_to_do(
    district: Database, app: flask.Flask, make: Make, planner: Actor
) -> None:
    with district.write() as session:
        _plan, row = make(session)
        post = add_post(session, YIHE, Duty.FLOOD_CHIEF, "13900000001")
    client = signed_in(app, planner)
    url = f"/plans/versions/{row.id}/section/new"
    typed = {"heading": "联系", "depth": "1", "part": "", "body": "找村主任 13800138000"}
    refused = client.post(url, data=typed)
    assert refused.status_code == 422 and "13800138000" in refused.text and 'role="alert"' in refused.text
    named = client.post(url, data=typed | {"body": "找", "insert": f"post:{post}", "do": "insert"})
    assert named.status_code == 200 and f"{{{{post:{post}}}}}" in named.text


def test_approving_on_the_page_asks_for_the_act(
    district: Database, app: flask.Flask, make: Make, planner: Actor, approver: Actor
) -> None:
    with district.write() as session:
        _plan, row = make(session)
        row = service.submit(session, actor=planner, version_id=row.id, version=row.version)
        row = service.pass_review(session, actor=approver, version_id=row.id, version=row.version)
    client = signed_in(app, approver)
    page = client.get(f"/plans/versions/{row.id}").text
    assert "本级人民政府" in page and "按规则" in page
    url = f"/plans/versions/{row.id}/approve"
    assert client.post(url, data={"version": row.version}).status_code == 422
    act = {"version": row.version, "body": "静海区人民政府", "decided_on": "2026-11-20", "way": "government_meeting",
           "meeting": "第 31 次常务会议"}  # fmt: skip
    assert client.post(url, data=act).status_code == 303
    assert "第 31 次常务会议" in client.get(f"/plans/versions/{row.id}").text
