"""What leaves, word for word; nothing begins with a gap because a headline was not written."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from emergency.warnings import rules, service, texts
from emergency.warnings.models import Warning, WarningLevel, WarningStatus
from emergency.warnings.rules import RuleFault
from kernel.db import Database
from notify.models import Delivery
from tests.warnings.support import VILLAGE, World
from tests.warnings.test_rules import facts


def test_without_a_headline_the_title_stands_first(drafted: Any, world: World, database: Database) -> None:
    draft = drafted(headline="")
    text = texts.bare(draft, draft.created_at)
    assert text.startswith("洪水红色预警：东淀水位上涨快")
    assert texts.prepared_lifting(draft, "义和村").startswith("洪水红色预警已解除：义和村")


def test_the_lifting_text_follows_the_level_unless_the_officer_wrote_it(
    drafted: Any, submitted: Any, world: World, database: Database
) -> None:
    waiting = submitted()
    assert waiting.cancel_text.startswith("洪水红色预警已解除")
    with database.write() as session:
        service.edit(
            session, actor=world.author, warning_id=waiting.id, level=WarningLevel.ORANGE, headline="洪水橙色预警",
            cancel_text=waiting.cancel_text,
        )  # fmt: skip
        again = service.submit(session, actor=world.author, warning_id=waiting.id)
        assert again.cancel_text.startswith("洪水橙色预警已解除")
        service.edit(session, actor=world.author, warning_id=waiting.id, cancel_text="水已退，请回家")
        kept = service.edit(session, actor=world.author, warning_id=waiting.id, headline="洪水橙色预警（更正）")
        assert kept.cancel_text == "水已退，请回家"


@pytest.mark.parametrize(("lift", "ending"), [("all_clear", "解除"), ("cancel", "撤销")])
def test_the_message_that_ends_a_warning_is_called_so(
    approved: Any, world: World, database: Database, lift: str, ending: str
) -> None:
    issue = approved()
    with database.write() as session:
        session.execute(sa.update(Delivery).values(state="delivered"))
        given = {"reason": "误发"} if lift == "cancel" else {}
        getattr(service, lift)(session, actor=world.author, warning_id=issue.warning_id, **given)
        message = session.scalars(sa.select(Warning).where(Warning.previous_id == issue.warning_id)).one()
        assert service.title(message) == f"洪水红色预警{ending}" == message.headline


def test_the_first_question_to_an_approver_says_nothing_of_waiting(submitted: Any, database: Database) -> None:
    submitted(status=WarningStatus.EXERCISE, area={"divisions": [VILLAGE]})
    with database.read() as session:
        from emergency.asking.models import Question

        text = session.scalars(sa.select(Question.text)).one()
    assert "等您批准：洪水红色预警" in text and "0分钟" not in text


@pytest.mark.parametrize("field", ["headline", "description", "instruction", "text", "cancel_text"])
def test_the_field_that_holds_the_mark_is_named(field: str) -> None:
    with pytest.raises(RuleFault) as refused:
        rules.check_content(facts(**{field: "【演练】洪水红色预警"}), now=facts().effective, own_weather=False)
    assert list(refused.value.fields) == [field]


def test_people_read_a_sentence_and_programmes_the_rule() -> None:
    with pytest.raises(RuleFault) as refused:
        rules.check_complete(facts(headline=""), area_words="台头镇", has_area=True)
    assert "Headline" in refused.value.sentence() and "statement_missing" not in refused.value.sentence()
    assert "statement_missing" in refused.value.text() and refused.value.extra["value"] == "headline"
