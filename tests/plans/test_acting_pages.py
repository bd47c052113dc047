"""Pages and JSON of responses, as people and programmes meet them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from emergency.commands import plans_acting
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.plans.acting_defects import late_actions
from emergency.plans.activation_models import Activation, ActivationLine, ActivationStep, LineState
from kernel.errors import DomainError
from tests.plans.acting_support import DRILL, REAL, Ready, line_id, lines, start
from tests.plans.support import TAITOU, person, signed_in

SMALL = 30_000


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("kind", [REAL, DRILL], ids=["real", "exercise"])
def test_every_page_opens_and_an_exercise_says_so_everywhere(
    ready: Ready, officer: Actor, approver: Actor, app: flask.Flask, language: str, kind: Any
) -> None:
    running = start(ready, officer, approver, kind)
    client = signed_in(app, person(Role.DUTY_OFFICER, Role.APPROVER), language)
    for path in ("/plans/activations", "/plans/activations?show=ended", f"/plans/{ready.plan_id}/activate",
                 f"/plans/activations/{running}", f"/plans/activations/{running}/print", "/plans/actions", "/",
                 f"/plans/{ready.plan_id}", "/plans"):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text[:500])
        assert answer.text.count("<h1") == 1, path
        marked = ("演练" if language == "zh" else "EXERCISE") in answer.text
        if kind is DRILL:
            assert marked, path
    body = client.get(f"/plans/activations/{running}").text
    assert ('<body class="drill">' in body) is (kind is DRILL)


def test_the_phone_page_is_small_and_works_without_script(
    ready: Ready, officer: Actor, approver: Actor, app: flask.Flask
) -> None:
    running = start(ready, officer, approver)
    client = signed_in(app, person(Role.LIAISON, division=TAITOU))
    page = client.get("/plans/actions")
    assert len(page.data) < SMALL and "<script" not in page.text and "队伍集结" in page.text
    of = line_id(ready, running, "队伍集结")
    for _press in range(2):
        answer = client.post(f"/plans/activations/lines/{of}", data={"to": "taken", "kind": "Actual", "from": "phone"})
        assert answer.status_code == 303
    assert lines(ready, running)["队伍集结"] is LineState.TAKEN
    refused = client.post(f"/plans/activations/lines/{of}", data={"to": "done", "kind": "Exercise"})
    assert refused.status_code == 409 and "没有" in refused.text


def test_a_proposal_and_its_decision_by_hand(ready: Ready, app: flask.Flask) -> None:
    typed = {"kind": "Actual", "grade": "II", "matter": "洪水", "reason": "水涨", "with_lower": "1"}
    officer_ = signed_in(app, person(Role.DUTY_OFFICER, id=3))
    url = f"/plans/{ready.plan_id}/activate"
    wrong = officer_.post(url, data=typed | {"reason": ""})
    assert wrong.status_code == 422 and "洪水" in wrong.text
    made = officer_.post(url, data=typed)
    assert made.status_code == 303
    with ready.database.read() as session:
        step = session.scalars(sa.select(ActivationStep)).one()
    assert officer_.post(f"/plans/activations/steps/{step.id}/decide", data={"kind": "Actual"}).status_code == 403
    assert lines(ready, step.activation_id) == {}


def test_a_storekeeper_reads_and_does_not_act(ready: Ready, officer: Actor, approver: Actor, app: flask.Flask) -> None:
    running = start(ready, officer, approver)
    client = signed_in(app, person(Role.STOREKEEPER))
    assert client.get(f"/plans/activations/{running}").status_code == 200
    assert client.get("/plans/actions").status_code == 403
    assert client.post(f"/plans/activations/{running}/change", data={"to": "end"}).status_code == 403


def test_the_json_proposes_ticks_and_ends_with_one_key_once(
    ready: Ready, officer: Actor, approver: Actor, app: flask.Flask
) -> None:
    client = signed_in(app, person(Role.APPROVER))
    body = {"plan_id": str(ready.plan_id), "kind": "Exercise", "grade": "III", "matter": "拉动", "reason": "计划"}
    body["plan_id"] = ready.plan_id
    twice = [client.post("/api/v1/responses", json=body, headers={"Idempotency-Key": "a"}) for _ in range(2)]
    assert [a.status_code for a in twice] == [201, 201] and twice[0].json["id"] == twice[1].json["id"]
    made = twice[0].json
    assert made["state"] == "running" and len(made["checklist"]) == 1
    of = made["checklist"][0]["id"]
    assert client.post(f"/api/v1/responses/lines/{of}", json={"to": "done", "kind": "Actual"}).status_code == 409
    done = client.post(f"/api/v1/responses/lines/{of}", json={"to": "done", "kind": "Exercise"})
    assert done.status_code == 200 and done.json["state"] == "done"
    url = f"/api/v1/responses/{made['id']}"
    ended = client.post(f"{url}/change", json={"to": None, "kind": "Exercise", "reason": "结束"})
    assert ended.status_code == 200 and ended.json["state"] == "done"
    assert client.get(url).json["summary"]["done_in_time"] == 1
    assert client.get("/api/v1/responses?kind=Actual").json["items"] == []


def test_late_actions_are_a_defect_when_real_and_none_in_an_exercise(
    ready: Ready, officer: Actor, approver: Actor
) -> None:
    real, drill = start(ready, officer, approver), start(ready, officer, approver, DRILL)
    with ready.database.read() as session:
        begun = session.get_one(Activation, drill).started_at
        assert begun is not None
        found = late_actions(session, begun + timedelta(hours=2))
        assert [d.subject_id for d in found] == [real] and found[0].params["n"] == 2
        assert session.scalar(sa.select(sa.func.count()).select_from(ActivationLine)) == 6


def test_a_command_shows_and_changes_a_response(
    ready: Ready, officer: Actor, approver: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    drill = start(ready, officer, approver, DRILL)
    runner = CliRunner()

    @contextmanager
    def here(**_kw: Any) -> Iterator[Any]:
        yield SimpleNamespace(database=ready.database)

    monkeypatch.setattr(plans_acting, "installation", here)
    shown = runner.invoke(plans_acting.status, ["--format", "json"])
    assert f'"id":{drill}' in shown.output and '"kind":"Exercise"' in shown.output
    wrong = runner.invoke(plans_acting.change, [str(drill), "--kind", "real", "--reason", "x"])
    assert isinstance(wrong.exception, DomainError) and wrong.exception.code == "kind_mismatch"
    assert runner.invoke(plans_acting.change, [str(drill), "--kind", "exercise", "--reason", "结束"]).exit_code == 0
    assert set(lines(ready, drill).values()) == {LineState.CLOSED}
