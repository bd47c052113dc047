"""Full-text search in Chinese: what is found, what is shown of it, and who never finds it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.plans import finding, indexing, service
from emergency.plans.drafting import Draft, LevelText, SectionText
from emergency.plans.finding import Results
from emergency.plans.grams import grams, marked, phrases, places, units
from emergency.plans.models import Hazard, Plan, PlanKind, PlanLevel, PlanVersion, ResponseGrade
from emergency.plans.search_models import PlanSearch
from kernel.db import Database
from tests.plans.support import DULIU, TAITOU, YIHE, person, signed_in

TEXT = (
    SectionText("编制依据", "按照GB/T 9704和《党政机关公文格式》编写。\n依据防洪法。", "1.1", 2),
    SectionText("预警", "发布Ⅱ级响应时，防汛、抗旱队伍全部到岗。台风外围影响时加固彩钢板房。", "3.1", 2),
    SectionText("转移", "Ⅲ级响应时老年人先行。汛期每日<b>巡堤</b>两次", "4.1", 2),
)


@pytest.fixture
def written(district: Database, make: Callable[..., Any], publish: Callable[..., PlanVersion], planner: Actor) -> Any:
    """Write and issue a plan with these sections; returns its id."""

    def go(session: Session, sections: Any = TEXT, *, issued: bool = True, **changes: Any) -> int:
        plan, row = make(session, **{"kind": PlanKind.TOWNSHIP, "level": PlanLevel.TOWNSHIP, "division_code": TAITOU,
                                     "title": "台头镇防汛应急预案", "issuer": "台头镇人民政府"} | changes)  # fmt: skip
        row = service.edit_draft(
            session, actor=planner, version_id=row.id, version=row.version,
            draft=Draft(sections=sections, levels=[LevelText(ResponseGrade.II, "团泊水库超过汛限水位", "总指挥")]),
        )  # fmt: skip
        if issued:
            publish(session, row)
        return int(plan.id)

    return go


def look(session: Session, query: str, actor: Actor | None = None, **given: Any) -> Results:
    return finding.find(session, actor=actor or person(Role.PLANNER), query=query, **given)


def headings(results: Results) -> list[str]:
    return ["".join(part.text for part in hit.heading) for hit in results.hits]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("台风", ["3.1 预警"]),
        ("防汛", ["台头镇防汛应急预案", "3.1 预警"]),
        ("汛", ["台头镇防汛应急预案", "3.1 预警", "4.1 转移", "Ⅱ级响应"]),
        ("防汛抗旱", ["3.1 预警"]),
        ("防汛、抗旱", ["3.1 预警"]),
        ("GB/T 9704", ["1.1 编制依据"]),
        ("ｇｂ／ｔ９７０４", ["1.1 编制依据"]),
        ("970", []),
        ("Ⅱ级响应", ["3.1 预警", "Ⅱ级响应"]),
        ("II级响应", ["3.1 预警", "Ⅱ级响应"]),
        ("Ⅲ级", ["4.1 转移"]),
        ("I级响应", []),
        ("“老年人先行”", ["4.1 转移"]),
        ("老年人 先行 汛期", ["4.1 转移"]),
        ("老年人 台风", []),
        ("台头镇 老年人", ["4.1 转移"]),
        ("年人先", ["4.1 转移"]),
        ("彩板房", []),
        ("台头镇人民政府", ["台头镇防汛应急预案"]),
        ("公文 依据", ["1.1 编制依据"]),
        ("团泊水库", ["Ⅱ级响应"]),
        ("次", ["4.1 转移"]),
        ("", []),
        ("。，、", []),
    ],
)
def test_what_is_found(district: Database, written: Any, query: str, expected: list[str]) -> None:
    with district.write() as session:
        written(session)
    with district.read() as session:
        found = headings(look(session, query))
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(
    "query",
    ['"', "'", "防汛 OR 台风", "NEAR(防 汛)", "heading:防汛", "防汛*", "-防汛", "(防汛", "防汛'; DROP TABLE plan; --", "a & b | !c",
     "\\", "{tags} : a12", "%_", "\x00防汛", "'防':*", "防汛" * 400, "𠀀𠀁", "é ½ ① ㎡"],
)  # fmt: skip
def test_no_character_is_a_command(district: Database, written: Any, query: str) -> None:
    with district.write() as session:
        written(session)
    with district.read() as session:
        look(session, query)
        assert session.scalar(sa.select(sa.func.count()).select_from(Plan)) == 1


def test_the_passage_stands_where_the_words_are_and_is_marked_and_escaped(
    district: Database, written: Any, app: flask.Flask, planner: Actor
) -> None:
    with district.write() as session:
        plan_id = written(session)
    client = signed_in(app, planner)
    page = client.get("/plans/search", query_string={"q": "巡堤"}).get_data(as_text=True)
    assert "汛期每日&lt;b&gt;<mark>巡堤</mark>&lt;/b&gt;两次" in page
    with district.read() as session:
        held = service.in_force(session, plan_id)
        assert held is not None
        assert f'href="/plans/versions/{held.id}#s3"' in page
        text = client.get(f"/plans/versions/{held.id}").get_data(as_text=True)
    assert 'id="s3"' in text


def test_best_first_titles_before_texts(district: Database, written: Any) -> None:
    with district.write() as session:
        written(session, [SectionText("总则", "抗旱" * 3)], title="甲预案")
        written(session, [SectionText("抗旱", "措施")], title="乙预案", division_code=DULIU)
    with district.read() as session:
        found = look(session, "抗旱").hits
    assert [hit.title for hit in found] == ["乙预案", "甲预案"]


def test_drafts_are_not_found_and_a_new_text_takes_the_place_of_the_old(
    district: Database, written: Any, publish: Any, planner: Actor
) -> None:
    with district.write() as session:
        plan_id = written(session)
        written(session, [SectionText("总则", "台风草稿")], issued=False, division_code=DULIU)
    with district.write() as session:
        row = service.new_draft(session, actor=planner, plan_id=plan_id)
        row = service.edit_draft(
            session, actor=planner, version_id=row.id, version=row.version,
            draft=Draft(sections=[SectionText("总则", "暴雪")]),
        )  # fmt: skip
        assert headings(look(session, "台风")) == ["3.1 预警"]
        assert not look(session, "暴雪").hits
        publish(session, row, date(2026, 11, 20))
    with district.read() as session:
        assert not look(session, "台风").hits
        assert len(look(session, "暴雪").hits) == 1
        assert indexing.examine(session).sound


def test_a_refused_issue_leaves_the_index_as_it_was(district: Database, written: Any, approver: Actor) -> None:
    with pytest.raises(RuntimeError), district.write() as session:
        written(session)
        raise RuntimeError
    with district.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(PlanSearch)) == 0
        assert not look(session, "台风").hits


def test_repealed_texts_are_not_found(district: Database, written: Any, approver: Actor) -> None:
    with district.write() as session:
        plan_id = written(session)
        service.repeal(session, actor=approver, plan_id=plan_id, reason="并入区级预案")
    with district.read() as session:
        assert not look(session, "台风").hits
        assert indexing.examine(session).sound


def test_a_township_finds_its_own_and_what_binds_it_never_a_neighbours(
    district: Database, written: Any, publish: Any
) -> None:
    with district.write() as session:
        written(session)
        written(session, title="独流镇防汛应急预案", division_code=DULIU)
        written(session, kind=PlanKind.SPECIAL, level=PlanLevel.DISTRICT, division_code="120118000000",
                title="区预案", sections=[*TEXT, *_parts()])  # fmt: skip
        written(session, kind=PlanKind.VILLAGE, level=PlanLevel.VILLAGE, division_code=YIHE, title="义和村方案")
    with district.read() as session:
        planner = person(Role.PLANNER, division=TAITOU)
        assert {hit.title for hit in look(session, "台风", planner).hits} == {
            "台头镇防汛应急预案",
            "区预案",
            "义和村方案",
        }
        village = person(Role.VILLAGE_OFFICER, division=YIHE)
        assert len(look(session, "台风", village).hits) == 3
        assert len(look(session, "台风").hits) == 4
        assert [h.title for h in look(session, "台风", division_code=DULIU).hits] == ["独流镇防汛应急预案"]
        assert [h.title for h in look(session, "台风", kind=PlanKind.VILLAGE).hits] == ["义和村方案"]
        assert not look(session, "台风", hazard=Hazard.FIRE).hits


def _parts() -> list[SectionText]:
    from tests.plans.conftest import FULL

    return list(FULL)


def test_pages_neither_skip_nor_repeat(district: Database, written: Any) -> None:
    with district.write() as session:
        written(session, [SectionText(f"第{n}节", "台风来袭。" + "其他。" * n) for n in range(1, 46)])
    with district.read() as session:
        seen: list[str] = []
        skip, more = 0, True
        while more:
            page = look(session, "台风", skip=skip)
            seen += headings(page)
            skip, more = skip + len(page.hits), page.more
    assert len(seen) == len(set(seen)) == 45


def test_a_very_long_section_is_found_to_its_end(district: Database, written: Any) -> None:
    long = "\n".join(f"第{n}条 措施若干，逐项落实到人。" for n in range(6000)) + "\n末尾提到蓄滞洪区"
    with district.write() as session:
        written(session, [SectionText("附则", long)])
    with district.read() as session:
        hit = look(session, "蓄滞洪区").hits[0]
    shown = "".join(part.text for part in hit.passage)
    assert "末尾提到蓄滞洪区" in shown and len(shown) < 160


def test_the_index_can_be_written_anew(district: Database, written: Any) -> None:
    with district.write() as session:
        plan_id = written(session)
        written(session, title="独流镇防汛应急预案", division_code=DULIU)
        before = headings(look(session, "汛"))
        indexing.remove(session, plan_id)
    with district.read() as session:
        state = indexing.examine(session)
        assert (state.missing, state.stale, state.sound) == (1, 0, False)
    assert indexing.rebuild(district) == 2
    with district.read() as session:
        assert indexing.examine(session).sound
        assert sorted(headings(look(session, "汛"))) == sorted(before)


def test_the_index_of_a_copied_database_is_noticed(district: Database, written: Any) -> None:
    with district.write() as session:
        written(session)
    with district.write() as session:
        if session.get_bind().dialect.name != "sqlite":
            pytest.skip("only SQLite keeps lists beside the rows")
        session.execute(sa.text("INSERT INTO plan_search_fts (plan_search_fts) VALUES ('delete-all')"))
    with district.read() as session:
        assert indexing.examine(session).torn
    indexing.rebuild(district)
    with district.read() as session:
        assert indexing.examine(session).sound and look(session, "台风").hits


def test_words_of_the_index() -> None:
    assert grams("防汛Ⅱ级, GB/T") == "防汛 汛 ii 级 gb t"
    assert grams("") == grams("。") == "-"
    assert [unit.text for unit in units("ＡＢ１２ 汛①")] == ["ab", "12", "汛", "1"]
    assert [p.units for p in phrases("防汛，台风 “巡堤 查险”")] == [
        ("防", "汛"), ("台", "风"), ("巡", "堤", "查", "险")
    ]  # fmt: skip
    (phrase,) = phrases("防汛")
    assert places("防、汛\n防\n汛", phrase) == [(0, 3)]
    assert [(p.text, p.found) for p in marked("甲防汛乙", [phrase])] == [("甲", False), ("防汛", True), ("乙", False)]


def test_the_interface_for_programmes(district: Database, written: Any, app: flask.Flask, planner: Actor) -> None:
    with district.write() as session:
        written(session)
    client = signed_in(app, planner)
    answer = client.get("/api/v1/plans/search", query_string={"q": "台风"})
    assert answer.status_code == 200
    (item,) = answer.get_json()["items"]
    assert item["plan_title"] == "台头镇防汛应急预案" and item["heading"] == "3.1 预警"
    assert [item["passage"][start:end] for start, end in item["found"]] == ["台风"]
    assert client.get("/api/v1/plans/search").status_code == 422


def test_the_search_over_everything_finds_texts(
    district: Database, written: Any, app: flask.Flask, planner: Actor
) -> None:
    with district.write() as session:
        written(session)
    page = signed_in(app, planner).get("/search", query_string={"q": "彩钢板房"}).get_data(as_text=True)
    assert "台头镇防汛应急预案" in page and "加固<mark>彩钢板房</mark>" in page
