"""What the rooms put on the workbench, read from their own tables."""

from __future__ import annotations

from datetime import timedelta

import pytest

from emergency.http.permissions import Role
from emergency.people.accounts.models import Account, AccountState
from emergency.people.posts.models import DutyShift, ShiftRole, ShiftState
from emergency.web import figures, panels
from kernel.db import Database


def test_every_panel_of_the_product_can_be_read_on_an_empty_district(client):
    page = client.get("/").text
    assert "没能读出" not in page
    assert "现在值班表上没有人" in page and "今后七天没有演练" in page


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)
def test_every_role_has_a_workbench(shell_app, person, role):
    shell_app.config["ACTOR"] = person(role)
    answer = shell_app.test_client().get("/")
    assert answer.status_code == 200 and "没能读出" not in answer.text


def test_the_checklist_checks_itself(database: Database, shell_app, person, clock):
    with shell_app.test_request_context("/"), database.read() as session:
        steps = figures.first_run(session, person(Role.ADMINISTRATOR), clock.now())
        done = {str(step.text) for step in steps if step.done}
        assert "已有村居区划" in done and "时钟走得准" in done
        assert "已有居民名单" not in done and "本周做过备份" not in done
        assert figures.first_run(session, person(Role.STOREKEEPER), clock.now()) == []


def test_the_workbench_leads_to_what_is_wrong_and_to_open_questions(client):
    page = client.get("/").text
    assert "要留意" in page and "缺陷 0 项" in page and "0 个询问等待答复" in page


@pytest.fixture
def shift(database: Database, clock) -> int:
    with database.write() as session:
        account = Account(
            id=1, username="zhou", roles=["duty-officer"], division_code="120118000000", state=AccountState.ACTIVE,
            created_at=clock.now(),
        )  # fmt: skip
        session.add(account)
        session.flush()
        for start, state in ((-1, ShiftState.CONFIRMED), (23, ShiftState.PLANNED)):
            session.add(
                DutyShift(
                    division_code="120118000000", starts=clock.now() + timedelta(hours=start),
                    ends=clock.now() + timedelta(hours=start + 24), account_id=1, role=ShiftRole.OFFICER, state=state,
                )
            )  # fmt: skip
    return 1


def test_the_officer_on_duty_stands_at_the_top_and_in_the_day(client, shift):
    page = client.get("/").text
    assert "zhou" in page.split('class="duty"')[1][:200]
    assert "值班待确认" in page
    assert "nobody" not in page


def test_my_unconfirmed_shift_waits_for_me_alone(database: Database, shell_app, person, clock, shift):
    with shell_app.test_request_context("/"), database.read() as session:
        (item,) = panels.my_shift(session, person(Role.DUTY_OFFICER), clock.now())
        assert item.due_at == clock.now() + timedelta(hours=23)
        stranger = person(Role.DUTY_OFFICER)
        object.__setattr__(stranger, "id", 99)
        assert panels.my_shift(session, stranger, clock.now()) == []
