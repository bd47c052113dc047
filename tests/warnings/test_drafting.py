"""Writing: what is wrong is refused at once, what is missing at submission."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.config import Config, Warnings
from emergency.http.permissions import Role
from emergency.warnings import service
from emergency.warnings.models import Audience, MessageType, Source, Warning, WarningLevel, WarningState, WarningStatus
from kernel.db import Database
from kernel.errors import Conflict, DomainError, Forbidden
from tests.conftest import make_actor
from tests.warnings.support import DISTRICT, OTHER_VILLAGE, SQUARE, TOWN, VILLAGE, World, content


def test_a_draft_knows_its_category_area_and_issuer(drafted: Any) -> None:
    draft = drafted()
    assert (draft.state, draft.version, draft.category.value) == (WarningState.DRAFT, 1, "natural")
    assert (draft.area_words, draft.division_code, draft.issuer) == ("台头镇义和村", VILLAGE, "静海区人民政府")


def test_an_unfinished_draft_may_be_left_and_resumed(database: Database, world: World) -> None:
    with database.write() as session:
        draft = service.create(
            session, actor=world.author, status=WarningStatus.ACTUAL, event_code="11A01", level=WarningLevel.RED
        )
    with database.write() as session:
        again = service.edit(
            session, actor=world.author, warning_id=draft.id, version=1, headline="洪水红色预警",
            area={"divisions": [TOWN]},
        )  # fmt: skip
        assert (again.version, again.area_words) == (2, "台头镇")
    with database.write() as session, pytest.raises(service.RuleFault) as refused:
        service.submit(session, actor=world.author, warning_id=draft.id)
    assert (refused.value.code, refused.value.value) == ("statement_missing", "description")


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("event_code_unknown", {"event_code": "99Z99"}),
        ("own_weather", {"event_code": "11B03", "headline": "暴雨红色预警"}),
        ("division_unknown", {"area": {"divisions": ["120118999000"]}}),
        ("coordinates_swapped", {"area": {"polygons": [[[lat, lon] for lon, lat in SQUARE]]}}),
        ("references_missing", {"msg_type": MessageType.CANCEL}),
        ("references_missing", {"msg_type": MessageType.UPDATE}),
        ("test_audience", {"status": WarningStatus.TEST, "audience": Audience.ALL}),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_is_kept(
    database: Database, drafted: Any, rule: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(DomainError) as refused:
        drafted(**changes)
    assert refused.value.code == rule
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Warning)) == 0


def test_own_weather_is_written_where_the_configuration_says_so(
    database: Database, config: Config, drafted: Any
) -> None:
    database.attach("config", dataclasses.replace(config, warnings=Warnings(own_weather=True)))
    assert drafted(event_code="11B03", headline="暴雨红色预警").state is WarningState.DRAFT


def test_a_relayed_weather_signal_keeps_its_issuer(drafted: Any) -> None:
    draft = drafted(event_code="11B03", headline="暴雨红色预警", source=(Source.RELAYED, "静海区气象台"))
    assert (draft.issuer, draft.relayed_from) == ("静海区气象台", "静海区气象台")


def test_two_who_edit_at_once_cannot_both_win(database: Database, world: World, drafted: Any) -> None:
    draft = drafted()
    with database.write() as session:
        service.edit(session, actor=world.author, warning_id=draft.id, version=1, headline="洪水红色预警（一）")
    with database.write() as session, pytest.raises(Conflict) as refused:
        service.edit(session, actor=world.author, warning_id=draft.id, version=1, headline="洪水红色预警（二）")
    assert refused.value.code == "version_conflict"


def test_editing_what_waits_takes_it_back(database: Database, world: World, submitted: Any) -> None:
    waiting = submitted()
    with database.write() as session:
        edited = service.edit(session, actor=world.author, warning_id=waiting.id, headline="洪水红色预警（更正）")
    assert (edited.state, edited.version > waiting.version) == (WarningState.DRAFT, True)
    assert edited.estimate and edited.estimate["everybody"] == 6, "other words, the same people"


def test_what_was_issued_cannot_be_edited(database: Database, world: World, approved: Any) -> None:
    issue = approved()
    with database.write() as session, pytest.raises(Conflict) as refused:
        service.edit(session, actor=world.author, warning_id=issue.warning_id, headline="洪水红色预警（改）")
    assert refused.value.code == "wrong_state"


def test_an_area_outside_the_scope_is_refused(database: Database, world: World) -> None:
    for area in ({"divisions": [OTHER_VILLAGE]}, {"divisions": [DISTRICT]}, {"polygons": [_around_other()]}):
        with database.write() as session, pytest.raises(Forbidden) as refused:
            service.create(session, actor=world.liaison, **content(area=area))
        assert refused.value.code == "out_of_scope"
    with database.write() as session:
        assert service.create(session, actor=world.liaison, **content()).division_code == VILLAGE


def _around_other() -> list[list[float]]:
    return [[116.90, 39.02], [116.92, 39.02], [116.92, 39.04], [116.90, 39.04], [116.90, 39.02]]


def test_who_may_not_write_is_refused(database: Database, world: World) -> None:
    with database.write() as session, pytest.raises(Forbidden):
        service.create(session, actor=make_actor(Role.STOREKEEPER), **content())


def test_the_database_itself_refuses_a_submitted_warning_without_its_statements(
    database: Database, submitted: Any
) -> None:
    waiting = submitted()
    with pytest.raises(sa.exc.IntegrityError), database.write() as session:
        session.execute(sa.update(Warning).where(Warning.id == waiting.id).values(instruction=""))


def test_the_database_itself_refuses_an_author_who_approves(database: Database, submitted: Any) -> None:
    waiting = submitted()
    with pytest.raises(sa.exc.IntegrityError), database.write() as session:
        session.execute(sa.update(Warning).where(Warning.id == waiting.id).values(approved_by=waiting.created_by))


def test_a_draft_that_is_given_up_stays_in_the_list(database: Database, world: World, submitted: Any) -> None:
    waiting = submitted()
    with database.write() as session:
        service.withdraw(session, actor=world.author, warning_id=waiting.id)
    with database.read() as session:
        over = service.list_warnings(session, actor=world.author, group="ended")
        assert [w.state for w in over.items] == [WarningState.WITHDRAWN]


def test_the_text_that_lifts_it_is_ready_before_it_leaves(submitted: Any) -> None:
    assert "解除" in submitted().cancel_text
