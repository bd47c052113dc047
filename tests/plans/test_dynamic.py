"""Dynamic management through pages: a fault opens, is shown with its rule and its mending act, and ends when mended."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from emergency.divisions.models import UnitKind
from emergency.http.permissions import Role
from emergency.people.posts.models import Duty
from emergency.plans import checks, citations, coverage, exposures, matrix, service
from emergency.plans.defects import defects, widen
from emergency.plans.drafting import Draft, EvacuationText, RelianceText, SectionText
from emergency.plans.dynamic_models import LegalChange, PlanCitation, Reach
from emergency.plans.models import Hazard, PlanKind, PlanLevel, PlanVersion
from emergency.plans.rules import Fault
from emergency.readiness import plans_today
from emergency.readiness import service as readiness
from emergency.supplies import service as supplies
from emergency.supplies.models import DepotKind, Ownership
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import Conflict, Invalid, NotFound
from tests.plans.conftest import FULL
from tests.plans.support import DISTRICT, DULIU, NANBATAI, TAITOU, YIHE, add_post, add_unit, person, signed_in

Make = Callable[..., Any]
BOTH = (Role.PLANNER, Role.APPROVER)


@pytest.fixture
def look(district: Database, clock: ManualClock) -> Callable[[], None]:
    """What the ticker does after something changed."""
    return lambda: readiness.look_again(district, clock.now()) and None


def rules_of(database: Database, *subjects: int) -> set[str]:
    with database.read() as session:
        page = plans_today.wrong(session, person(Role.PLANNER), limit=200)
        return {i.defect.rule for i in page.items if not subjects or i.defect.subject_id in subjects}


def revise(client: FlaskClient, approver: FlaskClient, plan_id: int) -> None:
    """Begin, submit, review, approve and issue the next text through the pages, by two people."""
    begun = client.post(f"/plans/{plan_id}/draft")
    assert begun.status_code == 303, begun.text[:300]
    found = re.search(r"/versions/(\d+)", begun.headers["Location"])
    assert found is not None
    version_id = int(found[1])
    database = client.application.extensions["emergency.database"]

    def read() -> int:
        with database.read() as session:
            return int(session.scalar(sa.select(PlanVersion.version).where(PlanVersion.id == version_id)))

    path = f"/plans/versions/{version_id}"
    assert client.post(f"{path}/submit", data={"version": read()}).status_code == 303
    for step in ("pass", "approve"):
        answer = approver.post(f"{path}/{step}", data={"version": read()} | DECIDED)
        assert answer.status_code == 303, (step, answer.text[:2000])
    answer = approver.post(f"{path}/issue", data={"version": read(), "issued_on": "2026-11-20"})
    assert answer.status_code == 303, answer.text[:300]


DECIDED = {"body": "静海区人民政府", "decided_on": "2026-11-20", "way": "signed", "meeting": ""}


class Browsers:
    """Two people at one app: the one who asks is set before each request."""

    def __init__(self, app: flask.Flask) -> None:
        self.actor = person(*BOTH, id=1)
        app.config["WTF_CSRF_ENABLED"] = False

        @app.before_request
        def _as() -> None:
            flask.g.actor = self.actor

        self.app = app

    def client(self, number: int, language: str = "zh") -> FlaskClient:
        world, made = self, self.app.test_client()
        made.set_cookie("language", language)
        real = made.open

        def open_as(*args: Any, **kwargs: Any) -> Any:
            world.actor = person(*BOTH, id=number)
            return real(*args, **kwargs)

        made.open = open_as  # type: ignore[method-assign]
        return made


def test_superseding_the_parent_turns_the_children_due_and_revising_them_clears_it(
    district: Database, app: flask.Flask, make: Make, publish: Make, look: Callable[[], None]
) -> None:
    with district.write() as session:
        parent, row = make(session)
        publish(session, row, date(2026, 11, 2))
        children = []
        for code, kind, level in ((TAITOU, PlanKind.TOWNSHIP, PlanLevel.TOWNSHIP), (YIHE, PlanKind.VILLAGE, PlanLevel.VILLAGE)):  # fmt: skip
            child, text = make(session, title=f"{code}防汛预案", division_code=code, kind=kind, level=level,
                               parent_id=parent.id)  # fmt: skip
            publish(session, text, date(2026, 11, 3))
            children.append(child.id)
    look()
    people = Browsers(app)
    author, approver = people.client(1), people.client(2)
    assert "parent_superseded" not in rules_of(district)
    assert "第 2 版" not in author.get("/plans/wrong?rule=parent_superseded").text

    revise(author, approver, parent.id)
    look()
    page = author.get("/plans/wrong?rule=parent_superseded").text
    assert page.count("按上级现行版本修订") >= 2 and page.count("上级预案已出第 2 版") >= 2
    assert all(f"/plans/{child}/mend/parent_superseded" in page for child in children)
    assert "修订情形" in page and "区应急" not in page.split("<tbody>")[1].split("</tbody>")[0]
    mend = author.get(f"/plans/{children[0]}/mend/parent_superseded").text
    assert "按上级第 2 版开始修订" in mend and f"/plans/{children[0]}/draft" in mend

    for number, child in enumerate(children):
        revise(author, approver, child)
        look()
        assert "parent_superseded" not in rules_of(district, child)
        assert ("parent_superseded" in rules_of(district)) is (number == 0)
    with district.read() as session:
        counted = plans_today.counts(session, person(*BOTH)).rules
    assert Fault.PARENT_SUPERSEDED not in counted


def test_a_draft_begun_under_the_old_text_is_brought_under_the_new_one(
    district: Database, app: flask.Flask, make: Make, publish: Make, planner: Any
) -> None:
    with district.write() as session:
        parent, row = make(session)
        publish(session, row)
        child, text = make(session, title="台头镇防汛预案", division_code=TAITOU, kind=PlanKind.TOWNSHIP,
                           level=PlanLevel.TOWNSHIP, parent_id=parent.id)  # fmt: skip
        publish(session, text)
        service.new_draft(session, actor=planner, plan_id=child.id)
        publish(session, service.new_draft(session, actor=planner, plan_id=parent.id), date(2026, 11, 20))
    client = Browsers(app).client(1)
    page = client.get(f"/plans/{child.id}/mend/parent_superseded").text
    assert "改按上级第 2 版衔接" in page
    assert client.post(f"/plans/{child.id}/follow").status_code == 303
    with district.read() as session:
        draft = service.versions(session, actor=planner, plan_id=child.id)[0]
        held = service.in_force(session, parent.id)
        assert held is not None and draft.parent_version_id == held.id


def test_the_care_home_that_every_list_forgot_is_found_and_put_on_one_by_page(
    district: Database, app: flask.Flask, clock: ManualClock, make: Make, publish: Make, planner: Any,
    look: Callable[[], None],
) -> None:  # fmt: skip
    with district.write() as session:
        home = add_unit(session, "台头镇敬老院", TAITOU, UnitKind.CARE_HOME)
        school = add_unit(session, "台头镇中心小学", TAITOU, UnitKind.SCHOOL)
        plan, row = make(session, title="台头镇防汛预案", division_code=TAITOU, kind=PlanKind.TOWNSHIP,
                         level=PlanLevel.TOWNSHIP)  # fmt: skip
        row = service.edit_draft(
            session, actor=planner, version_id=row.id, version=row.version,
            draft=Draft(evacuation=[EvacuationText("镇文化站", unit_id=school.id), EvacuationText("镇文化站", subject_code=YIHE)]),
        )  # fmt: skip
        publish(session, row)
    readiness.gather(district, clock.now())
    people = Browsers(app)
    author, approver = people.client(1), people.client(2)
    page = author.get("/plans/unlisted").text
    assert "台头镇敬老院" in page and "南坝台村委会" in page
    assert "台头镇中心小学" not in page and "义和村委会" not in page
    assert "台头镇敬老院未列入任何转移名单" in author.get("/plans/wrong?rule=not_on_any_list").text
    assert "台头镇敬老院" in author.get("/plans/unlisted.csv").text
    assert "台头镇敬老院" not in author.get(f"/plans/unlisted?place={DULIU}").text

    form = author.get(f"/plans/unlisted/add?unit={home.id}")
    assert form.status_code == 200 and "台头镇防汛预案" in form.text
    empty = author.post(f"/plans/unlisted/add?unit={home.id}", data={"plan_id": plan.id, "post_id": 0})
    assert empty.status_code == 422
    typed = {"plan_id": plan.id, "destination": "静海区体育馆", "people": "40", "post_id": 0, "grade": "III"}
    added = author.post(f"/plans/unlisted/add?unit={home.id}", data=typed)
    assert added.status_code == 303, added.text[:300]
    look()
    assert "台头镇敬老院" in author.get("/plans/unlisted").text  # a draft binds nobody
    version_id = int(added.headers["Location"].rsplit("/", 1)[1])
    path = f"/plans/versions/{version_id}"

    def read() -> int:
        with district.read() as session:
            return int(session.scalar(sa.select(PlanVersion.version).where(PlanVersion.id == version_id)))

    author.post(f"{path}/submit", data={"version": read()})
    refused = author.post(f"/plans/unlisted/add?unit={home.id}", data=typed)
    assert refused.status_code == 409  # what is being reviewed is not changed beneath the reviewer
    for step in ("pass", "approve"):
        assert approver.post(f"{path}/{step}", data={"version": read()} | DECIDED).status_code == 303
    assert approver.post(f"{path}/issue", data={"version": read(), "issued_on": "2026-11-20"}).status_code == 303
    look()
    page = author.get("/plans/unlisted").text
    assert "台头镇敬老院" not in page and "台头镇中心小学" not in page and "南坝台村委会" in page
    assert "not_on_any_list" not in rules_of(district, home.id)


def found(database: Database, clock: ManualClock, **wanted: Any) -> list[Any]:
    with database.read() as session:
        return [d for d in defects(session, clock.now()) if all(getattr(d, k) == v for k, v in wanted.items())]


def test_titles_in_brackets_and_standards_are_read_as_they_are_cited() -> None:
    text = "依据《中华人民共和国突发事件应对法》、《突发事件应急预案管理办法（试行）》，GB/T 38565-2020、DB12/T 1452—2025，见《天津市防汛抗旱应急预案》。"
    assert citations.cited([text, text]) == ["突发事件应对法", "突发事件应急预案管理办法", "GB/T 38565", "DB12/T 1452"]


def test_a_plan_falls_due_when_a_statute_that_it_names_changes_and_an_evaluation_ends_it(
    district: Database, app: flask.Flask, clock: ManualClock, make: Make, publish: Make, planner: Any,
    look: Callable[[], None],
) -> None:  # fmt: skip
    with district.write() as session:
        plan, row = make(session)
        named = [*FULL, SectionText("编制依据", "依据《中华人民共和国防洪法》和GB/T 38565-2020。")]
        row = service.edit_draft(
            session, actor=planner, version_id=row.id, version=row.version, draft=Draft(sections=named)
        )
        publish(session, row, date(2026, 9, 1))
        assert set(session.scalars(sa.select(PlanCitation.title))) == {"防洪法", "GB/T 38565"}
    look()
    client = signed_in(app, person(*BOTH))
    assert "防洪法" in client.get("/plans/laws").text
    typed = {"title": "《中华人民共和国防洪法》", "change": "replaced", "changed_on": "2026-10-01",
             "replaced_by": "防洪法（2026）", "source": "国家法律法规数据库"}  # fmt: skip
    assert client.post("/plans/laws", data=typed | {"source": ""}).status_code == 422
    assert client.post("/plans/laws", data=typed | {"changed_on": ""}).status_code == 422
    assert client.post("/plans/laws", data=typed).status_code == 303
    look()
    assert "law_changed" in rules_of(district, plan.id)
    page = client.get("/plans/wrong?rule=law_changed").text
    assert "引用的《防洪法》已于 2026-10-01 变化" in page and "第六条第二款" in page
    assert client.post(f"/plans/{plan.id}/evaluate", data={"day": "2026-11-20"}).status_code == 303
    look()
    assert "law_changed" not in rules_of(district, plan.id)
    with district.write() as session:  # what is not yet in force makes nothing due
        citations.note_law(session, actor=planner, title="GB/T 38565-2020", change=LegalChange.AMENDED,
                           changed_on=date(2026, 12, 31), source="公告")  # fmt: skip
    look()
    assert "law_changed" not in rules_of(district, plan.id)


def test_a_receipt_is_late_after_its_working_days_and_never_where_the_year_is_unknown(
    district: Database, clock: ManualClock, make: Make, publish: Make, planner: Any
) -> None:
    with district.write() as session:
        plan, row = make(session)
        row = publish(session, row, date(2026, 11, 2))
        service.file_version(session, actor=planner, version_id=row.id, filed_on=date(2026, 11, 16))
    assert not found(district, clock, rule="receipt_overdue")  # five working days end today
    clock.set(clock.now() + timedelta(days=1))
    late = found(district, clock, rule="receipt_overdue")
    assert [d.subject_id for d in late] == [plan.id] and late[0].url.endswith("#filing")
    with district.write() as session:
        service.receipt(session, actor=planner, version_id=row.id, receipt_on=date(2026, 11, 24))
    assert not found(district, clock, rule="receipt_overdue")
    with district.write() as session:
        _plan, row = make(session, title="静海区燃气预案")
        clock.set(clock.now() + timedelta(days=40))
        row = publish(session, row, date(2026, 12, 29))
        service.file_version(session, actor=planner, version_id=row.id, filed_on=date(2026, 12, 30))
    clock.set(clock.now() + timedelta(days=60))
    assert not found(district, clock, rule="receipt_overdue")  # 2027 is not announced


def test_government_stock_is_never_made_up_by_what_others_hold(
    district: Database, clock: ManualClock, make: Make, publish: Make, planner: Any
) -> None:
    keeper = person(Role.STOREKEEPER, Role.PLANNER, id=3)
    with district.write() as session:
        item = supplies.add_item(session, actor=keeper, name="编织袋", unit="条")
        depot = supplies.add_depot(
            session, actor=keeper, name="台头镇储备点", kind=DepotKind.TOWNSHIP, division_code=TAITOU
        )
        for ownership, n in ((Ownership.GOVERNMENT, 400), (Ownership.DONATION, 5000), (Ownership.AGREEMENT, 5000)):
            supplies.receive(session, actor=keeper, depot_id=depot.id, item_id=item.id, ownership=ownership, number=ownership.value, quantity=n)  # fmt: skip
        plan, row = make(session)
        row = service.edit_draft(session, actor=planner, version_id=row.id, version=row.version,
                                 draft=Draft(reliances=[RelianceText("item", item.id, 500)]))  # fmt: skip
        publish(session, row)
    short = found(district, clock, rule="relied_stock")
    assert [d.subject_id for d in short] == [plan.id]
    assert short[0].params["held"] == "400条" and "10400" not in str(short[0].params)
    with district.write() as session:
        supplies.receive(session, actor=keeper, depot_id=depot.id, item_id=item.id, ownership=Ownership.GOVERNMENT,
                         number="到期", quantity=200, expires_on=date(2026, 11, 22))  # fmt: skip
    assert found(district, clock, rule="relied_stock")  # expired yesterday
    with district.write() as session:
        supplies.receive(session, actor=keeper, depot_id=depot.id, item_id=item.id, ownership=Ownership.GOVERNMENT,
                         number="新", quantity=100)  # fmt: skip
    assert not found(district, clock, rule="relied_stock")


def test_a_post_that_nobody_holds_makes_the_plan_that_counts_on_it_faulty(
    district: Database, clock: ManualClock, make: Make, publish: Make, planner: Any
) -> None:
    with district.write() as session:
        post = add_post(session, TAITOU, Duty.FLOOD_CHIEF, "15400000001")
        plan, row = make(session)
        row = service.edit_draft(session, actor=planner, version_id=row.id, version=row.version,
                                 draft=Draft(reliances=[RelianceText("post", post)]))  # fmt: skip
        publish(session, row)
    unverified = found(district, clock, rule="relied_unverified")
    assert [d.subject_id for d in unverified] == [plan.id]
    assert "15400000001" not in str(unverified[0]) and "张某" not in str(unverified[0])
    with district.read() as session:
        assert ("plan", plan.id) in widen(session, {("post", post)})


def test_two_lists_that_send_one_village_to_two_places_disagree(
    district: Database, app: flask.Flask, clock: ManualClock, make: Make, publish: Make, planner: Any
) -> None:
    plans = []
    with district.write() as session:
        for title, destination, hazard in (
            ("甲", "镇中心小学", Hazard.FLOOD), ("乙", "区体育馆", Hazard.FLOOD), ("丙", "化工避险点", Hazard.HAZCHEM)
        ):  # fmt: skip
            plan, row = make(session, title=title, hazards=(hazard,))
            row = service.edit_draft(session, actor=planner, version_id=row.id, version=row.version,
                                     draft=Draft(evacuation=[EvacuationText(destination, subject_code=YIHE)]))  # fmt: skip
            publish(session, row)
            plans.append(plan.id)
    clash = found(district, clock, rule="lists_disagree")
    assert [(d.subject_kind, d.subject_id) for d in clash] == [("division", int(YIHE))]
    assert {clash[0].params["here"], clash[0].params["there"]} == {"镇中心小学", "区体育馆"}
    page = signed_in(app, person(Role.PLANNER)).get(clash[0].url)
    assert page.status_code == 200 and "化工避险点" in page.text


def test_an_exposed_place_without_a_plan_is_a_gap_and_an_unassessed_one_is_neither(
    district: Database, app: flask.Flask, make: Make, publish: Make, planner: Any, look: Callable[[], None]
) -> None:
    with district.write() as session:
        exposures.load(session)
    client = signed_in(app, person(*BOTH))
    with district.read() as session:
        rows = {row.code: row for row in matrix.matrix(session, planner).rows}
        hazards = matrix.matrix(session, planner).hazards
    cell = rows[TAITOU].cells[hazards.index(Hazard.FLOOD)]
    assert cell.state is matrix.CellState.MISSING and cell.exposed and "东淀" in cell.exposure.source
    assert rows[TAITOU].cells[hazards.index(Hazard.GAS)].state is matrix.CellState.UNKNOWN
    assert next(iter(rows)) == DISTRICT  # the district's row stands at the top
    missing_page = client.get(f"/plans/coverage/{TAITOU}/flood")
    assert missing_page.status_code == 200 and "hazard=flood" in missing_page.text

    typed = {"division_code": TAITOU, "hazard": "gas", "reach": "place", "exposed": "0", "source": "全镇未通管道燃气"}
    assert client.post("/plans/exposures", data=typed | {"source": " "}).status_code == 422
    assert client.post("/plans/exposures", data=typed).status_code == 303
    typed |= {"hazard": "flood", "reach": "villages", "exposed": "1", "source": "东淀蓄滞洪区"}
    assert client.post("/plans/exposures", data=typed).status_code == 303
    look()
    rules = rules_of(district, int(YIHE), int(NANBATAI))
    assert rules == {"plan_missing:flood", "not_on_any_list"} or rules == {"plan_missing:flood"}
    page = client.get(f"/plans/coverage?open={TAITOU}").text
    assert "义和村委会" in page and "应编未编" in page and "不涉及" in page
    text = client.get(f"/plans/coverage.csv?open={TAITOU}").text
    assert "义和村委会" in text and "东淀" in text

    with district.write() as session:
        plan, row = make(session, title="义和村防汛转移方案", division_code=YIHE, kind=PlanKind.VILLAGE,
                         level=PlanLevel.VILLAGE)  # fmt: skip
        publish(session, row)
        assert plan.id
    look()
    assert "plan_missing:flood" not in rules_of(district, int(YIHE))
    assert "plan_missing:flood" in rules_of(district, int(NANBATAI))


def test_a_shelter_of_unknown_capacity_is_told_until_somebody_counted_the_beds(
    district: Database, app: flask.Flask, make: Make, publish: Make, planner: Any, look: Callable[[], None]
) -> None:
    with district.write() as session:
        plan, row = make(session, title="台头镇防汛预案", division_code=TAITOU, kind=PlanKind.TOWNSHIP,
                         level=PlanLevel.TOWNSHIP)  # fmt: skip
        row = service.edit_draft(session, actor=planner, version_id=row.id, version=row.version,
                                 draft=Draft(evacuation=[EvacuationText("镇文化站", subject_code=YIHE, people=900)]))  # fmt: skip
        publish(session, row)
    look()
    assert "shelter_unknown" in rules_of(district, plan.id)
    client = signed_in(app, person(*BOTH))
    typed = {"name": "镇文化站", "division_code": TAITOU, "capacity": "300", "source": "2026 年 6 月清点"}
    assert client.post(f"/plans/shelters?plan={plan.id}", data=typed | {"source": ""}).status_code == 422
    assert client.post(f"/plans/shelters?plan={plan.id}", data=typed).status_code == 303
    look()
    assert rules_of(district, plan.id) & {"shelter_unknown", "shelter_full"} == {"shelter_full"}
    client.post("/plans/shelters", data=typed | {"capacity": "1000"})
    look()
    assert not rules_of(district, plan.id) & {"shelter_unknown", "shelter_full"}


def test_the_owner_post_is_named_by_page(
    district: Database, app: flask.Flask, make: Make, look: Callable[[], None]
) -> None:
    with district.write() as session:
        post = add_post(session, DISTRICT, Duty.DUTY_ROOM, "15400000002")
        plan, _row = make(session)
    look()
    assert "owner_missing" in rules_of(district, plan.id)
    client = signed_in(app, person(Role.PLANNER))
    assert client.post(f"/plans/{plan.id}/owner", data={"post_id": post}).status_code == 303
    look()
    assert "owner_missing" not in rules_of(district, plan.id)
    assert client.get(f"/plans/wrong?owner={post}").status_code == 200


def test_a_check_that_the_law_orders_stays_and_one_of_ours_may_be_left_off(
    district: Database, clock: ManualClock, make: Make, approver: Any
) -> None:
    with district.write() as session:
        checks.load(session)
        make(session)
    assert found(district, clock, rule="owner_missing")
    with district.write() as session:
        with pytest.raises(Invalid):
            checks.decide(session, actor=approver, key="filing_overdue", adopted=False)
        with pytest.raises(NotFound):
            checks.decide(session, actor=approver, key="weather", adopted=False)
        checks.decide(session, actor=approver, key="owner_missing", adopted=False)
        checks.decide(session, actor=approver, key="draft_untouched", adopted=True, days=3)
        assert checks.load(session) == 0  # what the bureau decided stays
    assert not found(district, clock, rule="owner_missing")
    assert not found(district, clock, rule="draft_untouched")
    clock.set(clock.now() + timedelta(days=4))
    assert found(district, clock, rule="draft_untouched")


def test_the_shorter_of_law_and_promise_makes_an_evaluation_due(
    district: Database, clock: ManualClock, make: Make, publish: Make
) -> None:
    with district.write() as session:
        plan, row = make(session, evaluate_months=12)
        publish(session, row, date(2025, 11, 1))
    assert [d.subject_id for d in found(district, clock, rule="evaluation_overdue")] == [plan.id]


def test_page_api_and_workbench_count_the_same(
    district: Database, app: flask.Flask, clock: ManualClock, make: Make, publish: Make
) -> None:
    with district.write() as session:
        for title in ("甲预案", "乙预案", "丙预案"):
            _plan, row = make(session, title=title)
            publish(session, row)
    readiness.gather(district, clock.now())
    client = signed_in(app, person(*BOTH))
    total = client.get("/api/v1/plan-faults/counts").json["all"]
    listed: list[Any] = []
    cursor = ""
    while cursor is not None:
        answer = client.get(f"/api/v1/plan-faults?limit=2{'&cursor=' + cursor if cursor else ''}").json
        listed += answer["items"]
        cursor = answer["next_cursor"]
    assert len(listed) == total == len({item["id"] for item in listed}) and total >= 6
    assert f"今日预案有 {total} 项问题" in client.get("/plans/wrong").text
    rows = client.get("/plans/wrong.csv").text.strip().splitlines()
    assert len(rows) == total + 1
    assert all(item["source"] and item["mend"] and item["url"] for item in listed)
    from emergency.web.figures import plan_faults

    with app.test_request_context("/"), district.read() as session:
        flask.g.actor = person(*BOTH)
        figure = plan_faults(session, person(*BOTH), clock.now())
    assert figure is not None and figure.value == str(total)


def test_a_township_sees_and_mends_only_its_own(
    district: Database, app: flask.Flask, clock: ManualClock, make: Make, publish: Make
) -> None:
    with district.write() as session:
        home = add_unit(session, "独流镇敬老院", DULIU, UnitKind.CARE_HOME)
        plan, row = make(session, title="台头镇防汛预案", division_code=TAITOU, kind=PlanKind.TOWNSHIP,
                         level=PlanLevel.TOWNSHIP)  # fmt: skip
        publish(session, row)
    readiness.gather(district, clock.now())
    town = person(Role.PLANNER, division=TAITOU)
    client = signed_in(app, town)
    assert "独流" not in client.get("/plans/wrong").text and "独流" not in client.get("/plans/unlisted").text
    assert client.get(f"/plans/unlisted/add?unit={home.id}").status_code == 404
    assert client.get(f"/plans/coverage/{DULIU}/flood").status_code == 404
    with district.write() as session, pytest.raises((NotFound, Conflict, Invalid)):
        coverage.add_to_list(session, actor=town, plan_id=plan.id, line=EvacuationText("某处", unit_id=home.id))
    typed = {"division_code": DULIU, "hazard": "flood", "reach": Reach.PLACE.value, "exposed": "0", "source": "图"}
    assert client.post("/plans/exposures", data=typed).status_code in (403, 404)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_of_dynamic_management_opens_in_both_languages(
    district: Database, app: flask.Flask, clock: ManualClock, make: Make, publish: Make, language: str
) -> None:
    with district.write() as session:
        checks.load(session)
        citations.load(session)
        exposures.load(session)
        plan, row = make(session)
        publish(session, row)
    readiness.gather(district, clock.now())
    client = signed_in(app, person(*BOTH), language)
    for path in ("/plans/wrong", "/plans/coverage", f"/plans/coverage?open={TAITOU}", f"/plans/coverage/{TAITOU}/flood",
                 f"/plans/coverage/{DISTRICT}/all", "/plans/exposures", "/plans/unlisted", "/plans/laws", "/plans/shelters",
                 "/plans/checks", f"/plans/{plan.id}/owner", f"/plans/{plan.id}/mend/owner_missing",
                 f"/plans/unlisted/add?village={YIHE}", f"/plans/shelters?plan={plan.id}"):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text[:500])
        assert answer.text.count("<h1") == 1, path
    for path in ("/plans/coverage/120118104000/nothing", f"/plans/{plan.id}/mend/nothing", "/plans/lists/unit/1"):
        assert client.get(path).status_code == 404, path
