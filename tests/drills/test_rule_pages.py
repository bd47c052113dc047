"""The rulebook: reading, changing, adopting with reasons, the history, one of the bureau's own; pages, JSON, commands."""

from __future__ import annotations

from typing import Any

import flask
import pytest
import sqlalchemy as sa

from emergency.drills import lawbook, rulebook, service
from emergency.drills.models import Basis, DrillKind, DrillRule, DrillRuleSector
from emergency.drills.rulebook import RuleText
from emergency.drills.standing_models import RuleChange
from emergency.http.permissions import Role
from emergency.privacy.journal import JournalEntry
from kernel.errors import Conflict, Forbidden, Invalid
from tests.drills.conftest import World
from tests.plans.support import TAITOU, person, signed_in

PLANNER = person(Role.PLANNER, id=1)
LOCAL = person(Role.PLANNER, division=TAITOU, id=4)
OFFICER = person(Role.DUTY_OFFICER, id=5)


def rule(world: World, key: str) -> DrillRule:
    with world.database.read() as session:
        return session.scalars(sa.select(DrillRule).where(DrillRule.key == key)).one()


def text(**changes: Any) -> RuleText:
    given: dict[str, Any] = {
        "title": "加油站卸油作业演练", "months": 3, "basis": Basis.QUARTER, "source": "局务会纪要第7号",
        "groups": (frozenset({"hazchem"}),), "kinds": frozenset({DrillKind.RESCUE}),
    } | changes  # fmt: skip
    return RuleText(**given)


def typed(**changes: Any) -> dict[str, Any]:
    return {
        "title": "加油站卸油作业演练", "source": "局务会纪要第7号", "basis": "calendar_quarter", "months": "3",
        "groups": "危险化学品", "kinds": ["rescue"], "reason": "今年多起卸油事故",
    } | changes  # fmt: skip


def test_a_changed_rule_keeps_what_it_said_before_who_changed_it_and_why(world: World) -> None:
    before = rule(world, "fire-other-1y")
    with world.database.write() as session:
        whole = rulebook.get_rule(session, actor=PLANNER, rule_id=before.id)
        service.change_rule(
            session, actor=PLANNER, rule_id=before.id, version=before.version, reason="按消防支队要求加密",
            text=RuleText(before.title, 6, Basis.HALF, before.source, whole.groups, frozenset(whole.kinds),
                          before.note, before.report_to or "", before.skip_school_holidays),
        )  # fmt: skip
    with world.database.read() as session:
        history = rulebook.get_rule(session, actor=PLANNER, rule_id=before.id).history
        told = {e.change.field: (e.change.before, e.change.after, e.change.actor, e.reason) for e in history}
        stored = session.scalars(sa.select(RuleChange.reason_sealed)).all()
        noted = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "drills.rule_changed")).all()
    assert told == {
        "months": ("12", "6", "account:1", "按消防支队要求加密"),
        "basis": ("rolling", "calendar_half", "account:1", "按消防支队要求加密"),
    }
    assert all("按消防支队".encode() not in sealed for sealed in stored if sealed)
    assert len(noted) == 1 and "按消防支队" not in noted[0].data
    assert rule(world, "fire-other-1y").version == before.version + 1


def test_of_two_who_change_a_rule_at_once_the_second_is_told(world: World) -> None:
    found = rule(world, "psr-crowd-6m")
    with world.database.write() as session:
        service.adopt_rule(session, actor=PLANNER, rule_id=found.id, adopted=False, reason="试", version=found.version)
    with pytest.raises(Conflict), world.database.write() as session:
        service.change_rule(
            session, actor=PLANNER, rule_id=found.id, version=found.version, text=text(), reason="试"
        )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": " "}, "title"),
        ({"source": ""}, "source"),
        ({"months": 6}, "months"),
        ({"months": 0, "basis": Basis.ROLLING}, "months"),
        ({"months": 121, "basis": Basis.ROLLING}, "months"),
        ({"months": 3, "basis": Basis.EVENT}, "months"),
        ({"skip_school_holidays": True}, "skip_school_holidays"),
        ({"kinds": frozenset()}, "kinds"),
        ({"groups": ()}, "groups"),
    ],
)
def test_a_rule_that_does_not_fit_together_is_refused_at_its_field(
    world: World, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused, world.database.write() as session:
        service.create_rule(session, actor=PLANNER, text=text(**changes), reason="试")
    assert list(refused.value.fields) == [field]


def test_without_a_reason_nothing_is_decided(world: World) -> None:
    found = rule(world, "village-1y-elsewhere")
    for act in (
        lambda s: service.adopt_rule(s, actor=PLANNER, rule_id=found.id, adopted=True, reason="  "),
        lambda s: service.create_rule(s, actor=PLANNER, text=text(), reason=""),
    ):
        with pytest.raises(Invalid) as refused, world.database.write() as session:
            act(session)
        assert refused.value.code == "reason_required"


def test_only_the_districts_planner_decides_and_a_release_overwrites_nothing(world: World) -> None:
    with world.database.write() as session:
        made = service.create_rule(session, actor=PLANNER, text=text(), reason="局务会决定")
    for actor in (LOCAL, OFFICER):
        with pytest.raises(Forbidden), world.database.write() as session:
            service.change_rule(session, actor=actor, rule_id=made.id, version=1, text=text(months=None), reason="试")
    with world.database.write() as session:
        assert lawbook.load(session) == 0
    with world.database.read() as session:
        kept = session.get_one(DrillRule, made.id)
    assert kept.own and kept.adopted and kept.adopted_by == "account:1" and kept.months == 3


def test_words_become_groups_and_groups_words_again() -> None:
    groups = rulebook.read_groups("医院、储存使用危险物品\n所有单位\n消防安全重点单位以外的单位\n\n小学")
    assert groups == [
        frozenset({"hospital", "dangerous_goods_user"}), frozenset({"*"}), frozenset({"~"}),
        frozenset({"primary_school"}),
    ]  # fmt: skip
    again = "\n".join(rulebook.group_words(group, "zh") for group in groups)
    assert rulebook.read_groups(again) == groups
    with pytest.raises(Invalid) as refused:
        rulebook.read_groups("小学\n飞船")
    assert "飞船" in refused.value.text()


def test_a_rule_says_how_many_units_it_means(world: World) -> None:
    with world.database.read() as session:
        assert rulebook.units_meant(session, actor=PLANNER, groups=[frozenset({"*"})]) == 2
        assert rulebook.units_meant(session, actor=PLANNER, groups=[frozenset({"~"})]) == 1
        assert rulebook.units_meant(session, actor=PLANNER, groups=[frozenset({"hazchem"})]) == 1
        assert rulebook.units_meant(session, actor=PLANNER, groups=[frozenset({"hazchem", "mall"})]) == 0
        assert rulebook.units_meant(session, actor=PLANNER, groups=[]) == 0


# --- pages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_pages_of_the_rulebook_open_in_both_languages(world: World, app: flask.Flask, language: str) -> None:
    client = signed_in(app, PLANNER, language)
    found = rule(world, "plan-special-dept-3y")
    for path in ("/drills/rules", "/drills/rules?adopted=no&binding=local_other&evidence=seen&kind=fire",
                 "/drills/rules?adopted=x&binding=y&kind=z", "/drills/rules/new", f"/drills/rules/{found.id}",
                 f"/drills/rules/{found.id}/edit"):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code == 200 and answer.text.count("<h1") == 1, path


def test_filters_show_fewer_rules(world: World, app: flask.Flask) -> None:
    client = signed_in(app, PLANNER)
    assert "66 条规则" in client.get("/drills/rules").text
    page = client.get("/drills/rules?adopted=no&binding=local_other").text
    assert "青岛市突发事件应对条例" in page and "生产安全事故应急条例第八条第一款" not in page


def test_a_rule_of_our_own_is_made_by_the_form_and_a_wrong_one_keeps_what_was_typed(
    world: World, app: flask.Flask
) -> None:
    client = signed_in(app, PLANNER)
    for wrong, words in (
        ({"groups": "飞船"}, "飞船"),
        ({"months": "6"}, "与计算方式不符"),
        ({"reason": ""}, "局务会纪要"),
    ):
        page = client.post("/drills/rules/new", data=typed(**wrong))
        assert page.status_code == 422 and words in page.text and "加油站卸油作业演练" in page.text
    made = client.post("/drills/rules/new", data=typed())
    assert made.status_code == 303
    page = client.get(made.headers["Location"]).text
    assert "本区规定" in page and "今年多起卸油事故" in page
    with world.database.read() as session:
        own = session.scalars(sa.select(DrillRule).where(DrillRule.own)).one()
        assert session.scalars(sa.select(DrillRuleSector.sector).where(DrillRuleSector.rule_id == own.id)).all() == [
            "hazchem"
        ]


def test_a_rule_is_changed_by_the_form_and_an_old_form_is_refused(world: World, app: flask.Flask) -> None:
    found, client = rule(world, "psr-highrisk-6m"), signed_in(app, PLANNER)
    url = f"/drills/rules/{found.id}/edit"
    given = typed(
        title="高危行业演练", basis="calendar_half", months="6", groups="危险化学品\n矿山", version=found.version
    )
    assert client.post(url, data=given).status_code == 303
    old = client.post(url, data=given | {"title": "又改"})
    assert old.status_code == 422 and "又改" in old.text
    assert rule(world, "psr-highrisk-6m").title == "高危行业演练"


def test_adopting_needs_its_reason_and_a_township_planner_only_reads(world: World, app: flask.Flask) -> None:
    found = rule(world, "village-1y-elsewhere")
    client = signed_in(app, PLANNER)
    assert client.post(f"/drills/rules/{found.id}/adopt", data={"reason": ""}).status_code == 422
    given = {"reason": "局务会决定", "version": found.version}
    assert client.post(f"/drills/rules/{found.id}/adopt", data=given).status_code == 303
    assert rule(world, "village-1y-elsewhere").adopted


def test_a_township_planner_reads_the_rules_and_changes_none(world: World, app: flask.Flask) -> None:
    found, client = rule(world, "psr-highrisk-6m"), signed_in(app, LOCAL)
    assert client.get(f"/drills/rules/{found.id}").status_code == 200
    assert client.post(f"/drills/rules/{found.id}/drop", data={"reason": "试"}).status_code == 403
    assert client.post("/drills/rules/new", data={}).status_code == 403
    assert client.get(f"/drills/rules/{found.id}/edit").status_code == 403
    assert client.post(f"/drills/rules/{found.id}/edit", data={}).status_code == 403
    assert rule(world, "psr-highrisk-6m").adopted


# --- JSON ---------------------------------------------------------------------------------------------------------


def test_rules_are_read_changed_and_adopted_as_json(world: World, app: flask.Flask) -> None:
    client = signed_in(app, PLANNER)
    listed = client.get("/api/v1/drill-rules?adopted=false").json["items"]
    assert listed and not any(item["adopted"] for item in listed)
    one = next(item for item in listed if item["key"] == "village-1y-elsewhere")
    url = f"/api/v1/drill-rules/{one['id']}"
    changed = client.patch(url, json={"months": 24, "reason": "两年一次", "version": one["version"]})
    assert changed.status_code == 200 and changed.json["months"] == 24
    assert changed.json["history"][0]["before"] == "12" and "reason" not in changed.json["history"][0]
    stale = client.patch(url, json={"months": 36, "reason": "试", "version": one["version"]})
    assert stale.status_code == 409
    adopted = client.post(f"{url}/adopt", json={"reason": "局务会决定", "version": changed.json["version"]})
    assert adopted.status_code == 200 and adopted.json["adopted"]
    assert client.post(f"{url}/adopt", json={"reason": "再来"}).status_code == 409
    made = client.post("/api/v1/drill-rules", json={
        "title": "试", "source": "纪要", "months": None, "basis": "rolling", "groups": [["hazchem"]],
        "kinds": ["rescue"], "reason": "试"})  # fmt: skip
    assert made.status_code == 201 and made.json["own"] and made.json["groups"] == [["hazchem"]]
    assert client.get("/api/v1/drill-rules/1").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"months": 24}, {"months": 24, "reason": "试"}, {"months": "x", "reason": "试", "version": 1},
        {"kinds": ["ufo"], "reason": "试", "version": 1}, {"groups": [["ufo"]], "reason": "试", "version": 1},
        {"basis": "weekly", "reason": "试", "version": 1}, {"reason": "试", "version": 1},
        {"groups": [], "reason": "试", "version": 1},
    ],
)  # fmt: skip
def test_json_that_says_nonsense_is_refused(world: World, app: flask.Flask, body: dict[str, Any]) -> None:
    found = rule(world, "psr-highrisk-6m")
    answer = signed_in(app, PLANNER).patch(f"/api/v1/drill-rules/{found.id}", json=body)
    assert answer.status_code == 422 and rule(world, "psr-highrisk-6m").version == found.version
