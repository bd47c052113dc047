"""Invariant 7: whoever answers for one township touches nothing of another, by whichever road."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.routing import Rule

from emergency import schema
from emergency.asking.models import Answer, Question, Reply
from emergency.divisions.models import Division, Unit
from emergency.drills.confirming_models import DateProposal
from emergency.drills.day_models import DrillGroup, DrillInject, DrillNote, DrillPhoto
from emergency.drills.feed_models import DrillFeed
from emergency.drills.inspection_models import Inspection
from emergency.drills.learning_models import CorrectiveAction, DrillReport, Evaluation, Finding, Objective
from emergency.drills.models import Invitation, Occurrence, Programme
from emergency.drills.proposal_models import ProposalItem, ProposalState, YearProposal
from emergency.drills.standing_models import SubjectKind, Watched
from emergency.http.permissions import Role
from emergency.people.accounts.models import Account, ApiToken, SignIn
from emergency.people.posts.models import DutyShift, Post, PostHolder, ShiftRole, ShiftState
from emergency.people.residents.models import ImportRun, Resident, RunState
from emergency.plans.activation_models import (
    Activation,
    ActivationEvacuation,
    ActivationLine,
    ActivationStep,
    ActivationSuggestion,
)
from emergency.plans.attachment_models import PlanAttachment
from emergency.plans.dynamic_models import PlanExposure
from emergency.plans.models import Plan, PlanSection, PlanVersion, ResponseAction, ResponseLevel
from emergency.plans.review_models import PlanComment
from emergency.readiness.models import Defect
from emergency.supplies.models import Agreement, Depot, Item, Lot, Movement, Place, WriteOff
from emergency.warnings.models import DoorVisit, Warning
from kernel.ids import new_id
from notify.models import Delivery, RawReceipt
from tests.conftest import DISTRICT
from tests.invariants.conftest import HERE, HERE_VILLAGE, THERE, Demo, choices, words_of

VILLAGE = "120118104202"
EVERYTHING = tuple(Role)
ANSWERS = {403, 404}
FORM_FIRST = ("/plans", "/responses", "/system")
"""Rooms that look at what was sent before they look for the record: an incomplete form opens and changes nothing; a
complete one against a stranger is in the rooms' own tests."""
# What is the whole installation's, or the asker's own: a number in these addresses is not a record of some area.
COMMON = {
    "/supplies/items/<int:item_id>": "the catalogue; amounts are those of the asker's area",
    "/api/v1/supplies/<int:item_id>": "the catalogue; amounts are those of the asker's area",
    "/plans/rules/<any(approval,filing):what>/<int:row_id>": "the law's rows are read by all, changed by the district",
    "/api/v1/plans/approval-rules/<int:rule_id>": "the law's rows are read by all, changed by the district",
    "/api/v1/plans/filing-destinations/<int:destination_id>": "the law's rows are read by all, changed by the district",
    "/drills/rules/<int:rule_id>": "the law's rows are read by all, changed by the district",
    "/api/v1/drill-rules/<int:rule_id>": "the law's rows are read by all, changed by the district",
    "/api/v1/drill-rules/<int:rule_id>/<any(adopt,drop):what>": "the law's rows are changed by the district only",
    "/oversight/entries/<int:seq>": "the journal is one chain; the auditor reads it whole",
    "/oversight/subjects/<kind>/<int:subject_id>": "the journal is one chain; the auditor reads it whole",
}
NOT_SEEDED = {
    "comment_id", "attachment_id", "run_id", "suggestion_id", "step_id", "activation_id", "line_id", "evacuation_id",
    "broadcast_id", "delivery_id", "receipt_id", "exposure_id",
    "report_id", "sheet_id", "objective_id",
}  # fmt: skip
"""Records that the demo has none of outside an area, or whose rooms' own tests hold them against a stranger."""
NOT_BY_AREA = ("/api/", "/oversight", "/gateway", "/readyz", "/metrics", "/static")
FORM = {
    "purpose": "verify", "reason": "核对", "note": "核对", "version": "1", "name": "张某九", "phone": "17900000999",
    "answer": "yes", "means": "phone", "order": "1", "state": "unusable", "quantity": "1", "until": "2026-12-01",
    "locale": "zh", "confirm": "1", "roles": "liaison", "division_code": HERE, "outcome": "informed", "what": "file",
    "title": "核对", "number": "1", "action": "approve", "close": "1", "username": "abc", "duty": "liaison",
    "typed": "1", "kind": "school", "lot": "1", "happened_on": "2026-11-20", "held_on": "2026-11-20", "day": "2026-12-02",
    "at": "2026-12-02T09:00", "starts": "2026-11-20T09:00", "ends": "2026-11-20T10:00", "attended": "1",
    "choice": "1:yes", "issued_on": "2026-11-20",
}  # fmt: skip
BODIES = {
    "inspections": {"inspected_on": "2026-11-20", "result": "passed"}, "finish": {"proof": "核对"},
    "correct": {"version": 1, "corrected_on": "2026-11-20", "proof": "核对"},
    "actions": {"text": "核对", "owner_words": "核对", "due_on": "2026-12-02"},
    "<int:sheet_id>": {"version": 1, "lines": []},
    "findings": {"text": "核对"}, "<int:programme_id>": {"seen": "核对"}, "pause": {"reason": "核对"},
    "end": {"reason": "核对"}, "refuse": {"reason": "核对"}, "move": {"day": "2026-12-02"},
    "reschedule": {"starts_at": "2026-12-02T09:00:00+08:00", "version": 1},
    "answers": {"answer": "yes", "means": "phone"}, "submit": {"version": 1}, "approve": {"version": 1},
    "break-glass": {"version": 1, "reason": "核对"}, "return": {"reason": "核对"}, "reject": {"reason": "核对"},
    "recount": {"version": 1}, "withdraw": {"version": 1}, "cancel": {"reason": "核对"}, "all-clear": {},
    "update": {"headline": "核对"}, "acknowledgements": {"recipient_id": 1, "method": "phone"},
    "<int:warning_id>": {"headline": "核对", "version": 1},
    "injects": {"number": 1, "offset_seconds": 60, "sender": "核对", "via": "radio", "message": "核对"},
    "<any(send,skip,postpone):what>": {"reason": "核对", "minutes": 5}, "count": {"people": 1},
    "observation": {"observed": "done", "at": "2026-11-20T01:00:00+00:00"},
    "notes": {"at": "2026-11-20T01:00:00+00:00", "text": "核对"},
}  # fmt: skip
"""What a programme sends, by the last word of the address."""


def _outside(column: Any, prefix: str) -> sa.ColumnElement[bool]:
    """Rows of another township or village: not inside the area, not of a division above it."""
    above = [prefix[:n].ljust(12, "0") for n in (2, 4, 6, 9) if n < len(prefix)]
    return sa.and_(column.not_like(f"{prefix}%"), column.not_in([*above, DISTRICT]))


def _of_version(part: Any) -> tuple[tuple[Any, Any], ...]:
    return (PlanVersion, PlanVersion.id == part.version_id), (Plan, Plan.id == PlanVersion.plan_id)


def _finders(prefix: str) -> dict[str, dict[str, Callable[[], Any]]]:
    def direct(model: Any, column: Any = None) -> Callable[[], Any]:
        return lambda: sa.select(model.id).where(
            _outside(column if column is not None else model.division_code, prefix)
        )

    def through(target: Any, *joins: tuple[Any, Any]) -> Callable[[], Any]:
        def build() -> Any:
            query = sa.select(target.id)
            for model, condition in joins:
                query = query.join(model, condition)
            return query.where(_outside(joins[-1][0].division_code, prefix))

        return build

    occurrence = direct(Occurrence)
    its_plan = (Plan, Plan.id == Activation.plan_id)
    responses = {
        "activation_id": through(Activation, its_plan),
        "suggestion_id": through(ActivationSuggestion, (Plan, Plan.id == ActivationSuggestion.plan_id)),
        **{
            name: through(model, (Activation, Activation.id == model.activation_id), its_plan)
            for name, model in (
                ("step_id", ActivationStep), ("line_id", ActivationLine), ("evacuation_id", ActivationEvacuation),
            )
        },
    }  # fmt: skip
    return {
        "units": {"unit_id": direct(Unit)},
        "residents": {"resident_id": direct(Resident), "run_id": lambda: sa.select(ImportRun.id)},
        "posts": {"post_id": lambda: sa.select(PostHolder.post_id).join(Post).where(_outside(Post.division_code, prefix)),
                  "holder_id": lambda: sa.select(PostHolder.id).join(Post).where(_outside(Post.division_code, prefix))},
        "roster": {"shift_id": direct(DutyShift)},
        "accounts": {"account_id": direct(Account),
                     "sign_in_id": through(SignIn, (Account, Account.id == SignIn.account_id)),
                     "token_id": through(ApiToken, (Account, Account.id == ApiToken.account_id))},
        "account": {"sign_in_id": through(SignIn, (Account, Account.id == SignIn.account_id)),
                    "token_id": through(ApiToken, (Account, Account.id == ApiToken.account_id))},
        "questions": {"question_id": direct(Question),
                      "answer_id": through(Answer, (Question, Question.id == Answer.question_id)),
                      "reply_id": direct(Reply)},
        "supplies": {"depot_id": direct(Depot), "agreement_id": direct(Agreement),
                     "lot_id": through(Lot, (Movement, Movement.lot_id == Lot.id),
                                       (Place, Place.id == Movement.to_place_id), (Depot, Depot.id == Place.depot_id)),
                     "write_off_id": through(WriteOff, (Place, Place.id == WriteOff.place_id),
                                             (Depot, Depot.id == Place.depot_id))},
        "plans": {"plan_id": direct(Plan), "version_id": through(PlanVersion, (Plan, Plan.id == PlanVersion.plan_id)),
                  "section_id": through(PlanSection, *_of_version(PlanSection)),
                  "piece_id": through(ResponseAction, (ResponseLevel, ResponseLevel.id == ResponseAction.level_id),
                                      *_of_version(ResponseLevel)),
                  "comment_id": through(PlanComment, *_of_version(PlanComment)),
                  "attachment_id": through(PlanAttachment, *_of_version(PlanAttachment)),
                  "exposure_id": direct(PlanExposure), "subject_id": lambda: sa.select(
                      sa.cast(Division.code, sa.BigInteger)).where(_outside(Division.code, prefix)),
                  "run_id": lambda: sa.select(Plan.id).where(sa.false()), **responses},
        "plan-imports": {"run_id": lambda: sa.select(Plan.id).where(sa.false())},
        "responses": responses,
        "system": {"broadcast_id": lambda: sa.select(Delivery.broadcast_id).where(
                       _outside(Delivery.division, prefix), Delivery.broadcast_id.not_in(
                           sa.select(Delivery.broadcast_id).where(~_outside(Delivery.division, prefix)))),
                   "delivery_id": lambda: sa.select(Delivery.id).where(_outside(Delivery.division, prefix)),
                   "receipt_id": lambda: sa.select(RawReceipt.id).join(
                       Delivery, Delivery.id == RawReceipt.delivery_id).where(_outside(Delivery.division, prefix))},
        "warnings": {"warning_id": direct(Warning),
                     "visit_id": direct(DoorVisit)},
        "drills": {"occurrence_id": occurrence, "programme_id": direct(Programme),
                   "invitation_id": through(Invitation, (Occurrence, Occurrence.id == Invitation.occurrence_id)),
                   "wish_id": through(DateProposal, (Occurrence, Occurrence.id == DateProposal.occurrence_id)),
                   "finding_id": through(Finding, (Occurrence, Occurrence.id == Finding.occurrence_id)),
                   "report_id": through(DrillReport, (Occurrence, Occurrence.id == DrillReport.occurrence_id)),
                   "sheet_id": through(Evaluation, (Occurrence, Occurrence.id == Evaluation.occurrence_id)),
                   "objective_id": through(Objective, (Occurrence, Occurrence.id == Objective.occurrence_id)),
                   "action_id": through(CorrectiveAction, (Finding, Finding.id == CorrectiveAction.finding_id),
                                        (Occurrence, Occurrence.id == Finding.occurrence_id)),
                   "rule_id": lambda: sa.text("SELECT min(id) FROM drill_rule"),
                   "inspection_id": direct(Inspection),
                   "subject_id": lambda: sa.select(Watched.subject_id).where(
                       Watched.subject_kind == SubjectKind.DIVISION, _outside(Watched.division_code, prefix)),
                   **{name: through(model, (Occurrence, Occurrence.id == model.occurrence_id)) for name, model in (
                       ("inject_id", DrillInject), ("group_id", DrillGroup), ("photo_id", DrillPhoto),
                       ("note_id", DrillNote))},
                   "feed_id": direct(DrillFeed), "proposal_id": direct(YearProposal),
                   "item_id": direct(ProposalItem)},
        "readiness": {"defect_id": direct(Defect)},
    }  # fmt: skip


@pytest.fixture(scope="module")
def furnished(demo: Demo) -> Demo:
    """The demo with the few kinds of record that its seeds do not make."""
    owner, other = (demo.person(Role.DUTY_OFFICER, division=code) for code in (HERE, THERE))
    demo.person(Role.LIAISON, division=HERE_VILLAGE)
    with demo.database.write() as session:
        moment = demo.clock.now()
        vault = session.info["vault"]
        contact = {
            code: session.scalars(
                sa.select(PostHolder.contact_id).join(Post).where(Post.division_code.startswith(code[:9])).limit(1)
            ).one()
            for code in (HERE, THERE)
        }
        run = new_id()
        session.add(
            ImportRun(
                id=run, noun="residents", state=RunState.DONE, actor=str(owner.actor), division_prefix=HERE[:9],
                purpose="verify", datum="wgs84", dry_run=False, uploaded=True, created_at=moment, finished_at=moment,
                file_sealed=vault.seal("import_run", "file", run, "名单.csv"), ignored_columns=[],
            )
        )  # fmt: skip
        for number, code in enumerate((HERE, THERE)):
            reply = new_id()
            session.add(
                Reply(
                    id=reply, contact_id=contact[code], division_code=code, question_ids=[], at=moment, channel="sms",
                    text_sealed=vault.seal("question_reply", "text", reply, "好的"), why="unclear", raw_id=number,
                )
            )  # fmt: skip
        session.add_all(
            DutyShift(
                id=new_id(), division_code=code, starts=moment, ends=moment.replace(hour=13), version=1,
                account_id=watcher.account.id, role=ShiftRole.OFFICER, state=ShiftState.PLANNED,
            )
            for code, watcher in ((HERE, owner), (THERE, other))
        )  # fmt: skip
        session.add_all(
            YearProposal(
                id=new_id(), year=2026, division_code=code, state=ProposalState.CLOSED, settings={}, closed_at=moment,
                made_by=str(owner.actor), made_at=moment, version=1,
            )
            for code in (HERE, THERE)
        )  # fmt: skip
    return demo


def _state(demo: Demo) -> dict[str, str]:
    """A digest of every table that a refused request has no business with."""
    spared = {"journal_entry", "journal_head", "sign_in", "api_token", "failed_attempts", "idempotency_key"}
    found = {}
    with demo.database.read() as session:
        for table in schema.metadata.sorted_tables:
            if table.name not in spared:
                rows = session.execute(sa.select(table).order_by(*table.primary_key.columns)).all()
                found[table.name] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return found


def _requests(demo: Demo, prefix: str) -> Iterator[tuple[Rule, str, str]]:
    """Every route with a number in it, filled in with a record of another place."""
    finders = _finders(prefix)
    for rule in demo.app.url_map.iter_rules():
        numbers = [name for name in rule.arguments if name.endswith("_id")]
        if not numbers or rule.rule in COMMON or rule.rule.startswith("/public/"):  # published, for everybody
            continue
        room = rule.rule.removeprefix("/api/v1").split("/")[1]
        values: dict[str, Any] = dict.fromkeys(rule.arguments - set(numbers), "x") | choices(rule)
        with demo.database.read() as session:
            for name in numbers:
                assert name in finders.get(room, {}), f"tell this test where to find {name} of {rule.rule}"
                values[name] = session.scalar(finders[room][name]().limit(1) if room != "drills" or name != "rule_id"
                                              else finders[room][name]())  # fmt: skip
                assert values[name] is not None or name in NOT_SEEDED, f"the demo has no {name} for {rule.rule}"
        if None in values.values():
            continue
        path = demo.app.url_map.bind("localhost").build(rule.endpoint, values)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule, method, path


@pytest.mark.parametrize("area", [THERE, VILLAGE])
def test_no_route_opens_or_changes_a_record_of_another_place(furnished: Demo, area: str) -> None:
    stranger = furnished.person(*EVERYTHING, division=area)
    prefix = area[:9] if area.endswith("000") else area
    before, opened = _state(furnished), []
    for rule, method, path in _requests(furnished, prefix):
        if rule.rule.startswith("/api/"):
            sent = {"json": BODIES.get(rule.rule.rpartition("/")[2], {})} if method != "GET" else {}
            answer = stranger.api(method, path, **sent)
        else:
            answer = stranger.browser.open(path, method=method, data=dict(FORM) if method == "POST" else None)
        unread = answer.status_code == 422 and rule.rule.removeprefix("/api/v1").startswith(FORM_FIRST)
        if answer.status_code not in ANSWERS and not unread:
            opened.append(f"{answer.status_code} {method} {rule.rule}")
    after = _state(furnished)
    changed = [name for name in before if before[name] != after[name]]
    assert not opened and not changed, "\n".join([*opened, f"changed: {changed}"])


def test_a_record_of_ones_own_is_no_way_to_another_places_person(furnished: Demo) -> None:
    """`/posts/<mine>/holders/<theirs>`: both numbers have to belong together."""
    stranger = furnished.person(*EVERYTHING, division=THERE)
    find = _finders(THERE[:9])["posts"]
    with furnished.database.read() as session:
        mine = session.scalars(sa.select(Post.id).where(Post.division_code.startswith(THERE[:9])).limit(1)).one()
        theirs = session.scalars(find["holder_id"]().limit(1)).one()
        warning = session.scalars(sa.select(Warning.id).where(Warning.division_code == THERE).limit(1)).one()
        visit = session.scalars(sa.select(DoorVisit.id).where(DoorVisit.division_code.startswith(HERE[:9]))).first()
        victim = session.scalars(_finders(THERE[:9])["accounts"]["sign_in_id"]().limit(1)).one()
        token = session.scalars(_finders(THERE[:9])["accounts"]["token_id"]().limit(1)).one()
    addresses = [
        *(f"/posts/{mine}/holders/{theirs}/{verb}" for verb in ("reveal", "correct", "remove", "promote")),
        f"/warnings/{warning}/doors/{visit}",
        f"/accounts/{stranger.account.id}/sessions/{victim}/end",
        f"/accounts/{stranger.account.id}/tokens/{token}/revoke",
        f"/account/sessions/{victim}/end",
        f"/account/tokens/{token}/revoke",
    ]
    before = _state(furnished)
    answers = {address: stranger.browser.post(address, data=dict(FORM)).status_code for address in addresses}
    # 422: the form to correct somebody of one's own post, with nothing of the other person on it
    assert {address for address, status in answers.items() if status not in {*ANSWERS, 422}} == set(), answers
    assert _state(furnished) == before


def test_nothing_is_made_in_another_place(furnished: Demo) -> None:
    """Forms that name a place or a record: the other township's are refused, and nothing comes of them."""
    stranger = furnished.person(*EVERYTHING, division=THERE)
    with furnished.database.read() as session:
        finders = _finders(THERE[:9])
        unit, depot, plan, post = (
            session.scalars(finders[room][name]().limit(1)).one()
            for room, name in (
                ("units", "unit_id"), ("supplies", "depot_id"), ("plans", "plan_id"), ("posts", "post_id"),
            )
        )  # fmt: skip
        item = session.scalars(sa.select(Item.id).limit(1)).one()
        person = furnished.person(Role.DUTY_OFFICER, division=HERE).account.id
    village = HERE_VILLAGE
    forms = {
        "/residents/new": {"division_code": village, "external_id": "X-1", "name": "张某九", "phone": "17900000999"},
        "/units/new": {"code": "X-1", "name": "别处的学校", "division_code": village, "kind": "school", "datum": "wgs84"},
        "/posts/new": {"division_code": HERE, "duty": "liaison", "title": "别处的岗位"},
        "/accounts/new": {"username": "elsewhere", "roles": "liaison", "division_code": HERE, "name": "张某九"},
        "/roster/new": {"division_code": HERE, "starts": "2026-12-02T09:00", "ends": "2026-12-02T18:00",
                        "account_id": str(person), "account": str(person), "role": "officer"},
        "/plans/new": {"title": "别处的预案", "kind": "special", "level": "township", "division_code": HERE,
                       "hazards": "flood", "parent": str(plan), "parent_id": str(plan), "issuer": "台头镇"},
        "/drills/new": {"title": "别处的演练", "division_code": HERE, "unit_id": str(unit), "unit": str(unit),
                        "kind": "flood", "post_id": str(post), "plan_id": str(plan), "first_on": "2026-12-02"},
        "/supplies/receive": {"depot_id": str(depot), "depot": str(depot), "item_id": str(item), "item": str(item),
                              "quantity": "5", "ownership": "government", "reason": "购置"},
        f"/divisions/{HERE}/edit": {"lat": "38.9", "lon": "116.9", "datum": "wgs84"},
    }  # fmt: skip
    before = _state(furnished)
    answers = {path: stranger.browser.post(path, data=form).status_code for path, form in forms.items()}
    changed = [name for name, digest in _state(furnished).items() if before[name] != digest]
    assert not changed and not {path for path, status in answers.items() if status < 400}, (answers, changed)


def test_programmes_see_their_area_only(furnished: Demo) -> None:
    """Every list of the JSON surface, with and without asking for the other place by name."""
    stranger = furnished.person(*EVERYTHING, division=THERE)
    foreign = re.compile(rb'"120118(?!102|000)\d{6}"')
    with furnished.database.read() as session:  # what the district published concerns everybody, its area too
        public = str(session.scalars(sa.select(Warning.area).where(Warning.division_code == DISTRICT)).all()).encode()
    leaks = []
    for rule in furnished.app.url_map.iter_rules():
        if not rule.rule.startswith("/api/v1/") or rule.arguments or "GET" not in (rule.methods or ()):
            continue
        if rule.rule.startswith(("/api/v1/journal", "/api/v1/openapi")):
            continue
        for query in ("", f"?within={HERE}", f"?division={HERE}", f"?parent={HERE}", "?unit_id=1&limit=200"):
            answer = stranger.api("GET", rule.rule + query)
            found = set(foreign.findall(answer.data)) if answer.status_code == 200 else set()
            found = {code for code in found if code.strip(b'"') not in public}
            if found or answer.status_code >= 500:
                leaks.append(f"{rule.rule}{query}: {answer.status_code} {sorted(found)[:3]}")
    assert not leaks, "\n".join(leaks)


def test_pages_lists_files_and_the_search_show_the_area_only(furnished: Demo) -> None:
    """Workbench, map, lists, files, search: no village of another township on any of them."""
    stranger = furnished.person(*EVERYTHING, division=THERE)
    with furnished.database.read() as session:
        names = session.scalars(
            sa.select(Division.name).where(Division.code.startswith(HERE[:9]), Division.level == 5)
        ).all()
        names += session.scalars(sa.select(Unit.name).where(Unit.division_code.startswith(HERE[:9]))).all()
    leaks = []
    for rule in furnished.app.url_map.iter_rules():
        if rule.arguments or "GET" not in (rule.methods or ()) or rule.rule.startswith(NOT_BY_AREA):
            continue
        asked = ["", f"?division={HERE}"]
        if not rule.rule.startswith("/plans/papers/"):  # a pack of paper is asked for by division and by nothing else
            asked += [f"?within={HERE}", f"?in={HERE}", f"?township={HERE}", f"?q={names[0][:2]}"]
        for query in asked:
            page = stranger.browser.get(rule.rule + query)
            text = words_of(page.data)
            text = text.replace(f"{names[0][:2]}", "") if "?q=" in query else text
            found = [name for name in names if name in text]
            if found or page.status_code >= 500:
                leaks.append(f"{rule.rule}{query}: {page.status_code} {found[:3]}")
    for path in ("/residents/export", "/posts/export"):
        for division in ("", HERE):
            form = {"purpose": "verify", "division": division, "within": division, "format": "csv"}
            text = stranger.browser.post(path, data=form).get_data(as_text=True)
            if HERE[:9] in text or any(name in text for name in names):
                leaks.append(f"{path} {division}")
    assert not leaks, "\n".join(leaks)
