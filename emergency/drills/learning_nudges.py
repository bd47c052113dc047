"""What happens while an action is not done: its post is asked, its deputy and its superior hear of it, each once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency import messages
from emergency.asking import service as asking
from emergency.asking.models import Answer, Question
from emergency.asking.rules import TIME
from emergency.config import Config
from emergency.drills import learning_rules as rules
from emergency.drills.learning_models import (
    ActionNudge,
    ActionState,
    CorrectiveAction,
    Finding,
    NudgeKind,
    NudgeOutcome,
    Said,
)
from emergency.drills.models import Occurrence
from emergency.http.actor import Actor
from emergency.people.posts.models import Post, PostState
from kernel.clock import BEIJING
from kernel.db import Database, now, touch
from kernel.ids import new_id

SUBJECT = CorrectiveAction.__tablename__
ACTOR = Actor.system("drills.learning")
QUESTION_KIND = "drill.action"
ANSWERS = (
    asking.AnswerOption("done", "已完成", "Done", words=("完成", "办完了", "好了", "done")),
    asking.AnswerOption("longer", "需要延期", "Needs longer", TIME, ("延期", "需要时间", "longer")),
    asking.AnswerOption("cannot", "不能完成", "Cannot", "reason", ("不能", "做不了", "no")),
)
ANSWER_WITHIN = timedelta(days=2)
LADDERS = {
    NudgeKind.REMINDER: asking.Ladder(()),
    NudgeKind.DEPUTY: asking.Ladder.of_minutes((asking.Step.DEPUTY, 0)),
    NudgeKind.SUPERIOR: asking.Ladder.of_minutes((asking.Step.SUPERIOR, 0)),
}
TEXTS = {
    NudgeKind.REMINDER: "drill_action_due",
    NudgeKind.DEPUTY: "drill_action_late",
    NudgeKind.SUPERIOR: "drill_action_late",
}
MOST = 200


def plan_steps(session: Session, action: CorrectiveAction) -> list[ActionNudge]:
    """The steps of an action's date. A step whose moment is past when the action is made is not needed."""
    config: Config = session.info["config"]
    moment = now(session)
    known = {
        row.kind: row
        for row in session.scalars(
            sa.select(ActionNudge).where(ActionNudge.action_id == action.id, ActionNudge.due_on == action.due_on)
        )
    }
    made = []
    steps = rules.nudges(
        action.due_on, before_days=config.drills.action_remind_days, after_days=config.drills.action_superior_days
    )
    for kind, at in steps:
        row = known.get(kind)
        if row is None:
            row = ActionNudge(id=new_id(), action_id=action.id, due_on=action.due_on, kind=kind, due_at=at)
            if at <= moment:
                row.done_at, row.outcome = moment, NudgeOutcome.NOT_NEEDED
            session.add(row)
        elif row.outcome is NudgeOutcome.NOT_NEEDED and at > moment:
            row.done_at = row.outcome = None  # reopened before its day
        made.append(row)
    session.flush()
    return made


def stop(session: Session, action: CorrectiveAction) -> None:
    """What has not happened need not happen any more."""
    session.execute(
        sa.update(ActionNudge)
        .where(ActionNudge.action_id == action.id, ActionNudge.done_at.is_(None))
        .values(done_at=now(session), outcome=NudgeOutcome.NOT_NEEDED)
    )


def escalate(database: Database, moment: datetime) -> int:
    """Every step that is due, action by action in small transactions. Returns how many messages were asked for.

    The step is claimed in the transaction that asks: stopped in the middle, nothing is lost and nothing is sent twice.
    """
    with database.read() as session:
        due = session.scalars(
            sa.select(ActionNudge.action_id)
            .where(ActionNudge.done_at.is_(None), ActionNudge.due_at <= moment)
            .group_by(ActionNudge.action_id)
            .order_by(sa.func.min(ActionNudge.due_at), ActionNudge.action_id)
            .limit(MOST)
        ).all()
    return sum(_one(database, moment, action_id) for action_id in due)


def _one(database: Database, moment: datetime, action_id: int) -> int:
    with database.write() as session:
        action = session.scalar(
            sa.select(CorrectiveAction)
            .where(CorrectiveAction.id == action_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        steps = session.scalars(
            sa.select(ActionNudge)
            .where(ActionNudge.action_id == action_id, ActionNudge.done_at.is_(None), ActionNudge.due_at <= moment)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).all()
        if action is None or not steps:
            return 0
        if action.state is not ActionState.OPEN:
            for step in steps:
                step.done_at, step.outcome = moment, NudgeOutcome.NOT_NEEDED
            return 0
        past, last = rules.overtaken([(step.kind, step.due_at) for step in steps], moment)
        sent = 0
        for step in steps:
            step.done_at = moment
            step.outcome = NudgeOutcome.OVERTAKEN if step.kind in past else NudgeOutcome.SENT
            if step.kind is last:
                step.question_id = _ask(session, action, step.kind, moment)
                if step.question_id is None:
                    step.outcome = NudgeOutcome.NOT_NEEDED
                sent += step.question_id is not None
        touch(session, SUBJECT, action.id)
        return sent


def _ask(session: Session, action: CorrectiveAction, kind: NudgeKind, moment: datetime) -> int | None:
    """One question to the post; at the date its deputy, later its superior hears it too. None without a post.

    What was asked before about the same action ends: one question is open at a time, so that a reply has one meaning.
    """
    post = session.get(Post, action.owner_post_id) if action.owner_post_id is not None else None
    if post is None or post.state is PostState.ABOLISHED:
        return None
    asking.close(session, (SUBJECT, action.id), actor=ACTOR)
    drill = session.execute(
        sa.select(Occurrence.title, Finding.text)
        .join(Finding, Finding.occurrence_id == Occurrence.id)
        .where(Finding.id == action.finding_id)
    ).one()
    question = asking.ask(
        session, actor=ACTOR, subject=(SUBJECT, action.id), kind=QUESTION_KIND, post_id=post.id,
        text=messages.render(
            TEXTS[kind], task=_short(action.text), due=f"{action.due_on.month}月{action.due_on.day}日"
        ),
        answers=ANSWERS, due_at=moment + ANSWER_WITHIN, ladder=LADDERS[kind], priority=6,
        details=[("来源", drill.title), ("问题", _short(drill.text, 80)), ("措施", action.text[:200]),
                 ("期限", action.due_on.isoformat())],
        closes_at=moment + timedelta(days=30),
    )  # fmt: skip
    return question.id


def _short(text: str, most: int = 40) -> str:
    flat = " ".join(text.split()).rstrip("。；;")
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def on_answer(session: Session, question: Question, answer: Answer) -> None:
    """What the post says lands at its action. It finishes nothing: that takes proof."""
    action = session.get(CorrectiveAction, question.subject_id)
    if action is None or action.state is not ActionState.OPEN:
        return
    action.said, action.said_at, action.said_question_id = Said(answer.key), answer.at, question.id
    asked_for = answer.proposed_at
    action.said_until = asked_for.astimezone(BEIJING).date() if asked_for is not None else None
    action.version += 1
    session.flush()
    touch(session, SUBJECT, action.id)


def describe(session: Session, ids: Sequence[int]) -> dict[int, asking.Described]:
    """The action in words and its page."""
    rows = session.execute(
        sa.select(CorrectiveAction.id, CorrectiveAction.text).where(CorrectiveAction.id.in_(list(ids)))
    )
    return {row.id: asking.Described(f"整改措施：{_short(row.text)}", f"/drills/actions/{row.id}") for row in rows}


def steps_of(session: Session, action_id: int) -> Sequence[ActionNudge]:
    """Every step of an action, in order of time."""
    return session.scalars(
        sa.select(ActionNudge).where(ActionNudge.action_id == action_id).order_by(ActionNudge.due_at, ActionNudge.id)
    ).all()


asking.register_subject(SUBJECT, describe=describe, on_answer=on_answer)
