"""Who is told what of a response: the deciders before it, the posts at every change, the late ones and those above.

What goes to posts is real or an exercise as the response is (`Kind`), and leaves by the account of that kind. What goes
to deciders is a notice: it asks for a decision and is no order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency import messages
from emergency.asking import service as asking
from emergency.asking.models import Answer, Question
from emergency.config import Config
from emergency.http.actor import Actor
from emergency.people.accounts import service as accounts
from emergency.people.accounts.models import Account
from emergency.people.contacts.models import Contact, PhoneState
from emergency.people.posts import service as posts
from emergency.people.posts.models import Post, PostHolder
from emergency.plans import acting_rules as rules
from emergency.plans import checklist
from emergency.plans.activation_models import (
    Activation,
    ActivationKind,
    ActivationLine,
    ActivationState,
    ActivationStep,
    EntryKind,
    Heard,
    LineState,
    StepKind,
)
from emergency.plans.models import Plan, ResponseGrade
from emergency.plans.situation import log
from kernel.clock import BEIJING
from kernel.db import now
from notify import service as notify
from notify.models import Kind

ACTOR = Actor.system("plans.acting")
SUBJECT, DECISION = "plan_activation", "plan_activation_step"
KIND = {ActivationKind.ACTUAL: Kind.ACTUAL, ActivationKind.EXERCISE: Kind.EXERCISE}
TAKEN, FINISHED, UNABLE = "taken", "done", "unable"
ANSWERS = (
    asking.AnswerOption(TAKEN, "收到，立即落实", "Received", words=("收到", "明白", "好", "好的", "ok")),
    asking.AnswerOption(FINISHED, "已全部完成", "All done", words=("完成", "已完成", "办完了", "done")),
    asking.AnswerOption(UNABLE, "不能承担", "Cannot", "reason", ("不能", "做不了", "no")),
)
DECIDERS = (("looking", "马上处理", "I am looking at it"), ("unable", "暂时不能处理", "I cannot decide now"))
VALID = timedelta(hours=6)
_TASK = 40
_RECEIVES = (PhoneState.UNVERIFIED, PhoneState.VERIFIED)


def _config(session: Session) -> Config:
    config: Config = session.info["config"]
    return config


def words_of(step: ActivationStep) -> str:
    """A decision in words: 启动Ⅱ级响应."""
    to = step.to_grade.zh if step.to_grade else ""
    return {
        StepKind.START: f"启动{to}",
        StepKind.RAISE: f"提升至{to}",
        StepKind.LOWER: f"降至{to}",
        StepKind.END: "终止应急响应",
    }[step.what]


def _when(at: datetime) -> str:
    local = at.astimezone(BEIJING)
    return f"{local.month}月{local.day}日{local:%H:%M}"


def _short(text: str) -> str:
    flat = " ".join(text.split()).rstrip("。；;")
    return flat if len(flat) <= _TASK else flat[: _TASK - 1] + "…"


def _priority(activation: Activation) -> int:
    if activation.kind is ActivationKind.EXERCISE:
        return 5
    return 1 if activation.grade in (ResponseGrade.I, ResponseGrade.II) else 3


# --- deciders ---------------------------------------------------------------------------------------------------


def _deciders(session: Session, code: str, without: Collection[str]) -> list[int]:
    return [a.id for a in accounts.approvers_for(session, code) if f"account:{a.id}" not in without]


def ask_deciders(session: Session, activation: Activation, step: ActivationStep, plan: Plan) -> int:
    """Ask whoever may decide, other than who proposed it. Returns how many."""
    people = _deciders(session, activation.division_code, {step.proposed_by})
    if not people:
        return 0
    real = activation.kind is ActivationKind.ACTUAL
    minutes = _config(session).plans.task_minutes
    asking.ask_many(
        session, actor=ACTOR, subject=(DECISION, step.id), kind="plan_decision",
        text=messages.render(
            "plan_decision", status="应急响应" if real else "演练", plan=plan.title, step=words_of(step)
        ),
        answers=DECIDERS, due_at=now(session) + timedelta(minutes=max(*minutes, 1)), account_ids=people,
        ladder=asking.Ladder.of_minutes(*((asking.Step.REMIND, m) for m in minutes)), notice_kind=Kind.NOTICE,
        drill=not real, priority=1 if real else 4, division_code=activation.division_code,
    )  # fmt: skip
    return len(people)


def close_decision(session: Session, step: ActivationStep) -> None:
    """Nothing waits any more: questions to deciders end."""
    asking.close(session, (DECISION, step.id), actor=ACTOR)


def alarm(session: Session, activation: Activation, step: ActivationStep, plan: Plan, person: str) -> int:
    """Every other decider of the area hears that one person alone decided."""
    people = _deciders(session, activation.division_code, {person})
    text = messages.render("plan_alone", plan=plan.title, step=words_of(step))
    return tell_accounts(session, people, text, subject=(SUBJECT, activation.id), priority=0)


def tell_accounts(
    session: Session, account_ids: Sequence[int], text: str, *, subject: tuple[str, int], priority: int
) -> int:
    """A notice to accounts that have a usable number. Returns how many messages."""
    rows = session.execute(
        sa.select(Account.id, Contact.id, Contact.phone_index, Account.division_code)
        .join(Contact, Contact.id == Account.contact_id)
        .where(Account.id.in_(account_ids), Contact.phone_state.in_(_RECEIVES))
    ).all()
    people = [notify.Recipient(f"account:{a}", code, contact, key) for a, contact, key, code in rows if key]
    return _deliver(session, Kind.NOTICE, people, text, subject=subject, priority=priority)


def _deliver(
    session: Session, kind: Kind, people: Sequence[notify.Recipient], text: str, *, subject: tuple[str, int],
    priority: int,
) -> int:  # fmt: skip
    if not people:
        return 0
    config = _config(session)
    spec = notify.BroadcastSpec(
        kind=kind, priority=priority, text=text, valid_until=now(session) + VALID,
        channels=list(config.notify.default_channels), subject_kind=subject[0], subject_id=subject[1],
        signature=config.site.sms_signature,
    )  # fmt: skip
    return notify.deliver(session, spec, people).messages


# --- posts ------------------------------------------------------------------------------------------------------


def decided(session: Session, activation: Activation, step: ActivationStep, plan: Plan, made: checklist.Made) -> None:
    """Posts with new actions are asked to take them; the others hear of a change, of the end, and are asked no more."""
    if step.what is StepKind.END:
        asking.close(session, (SUBJECT, activation.id), actor=ACTOR)
    fresh = tasks(session, activation, made.added, plan, words_of(step))
    if step.what is not StepKind.START:
        everybody = set(
            session.scalars(
                sa.select(ActivationLine.post_id).where(
                    ActivationLine.activation_id == activation.id, ActivationLine.post_id.is_not(None)
                )
            )
        )
        _tell_posts(
            session, activation, {p for p in everybody if p is not None} - fresh,
            messages.render("plan_changed", plan=plan.title, step=words_of(step)),
        )  # fmt: skip


def tasks(session: Session, activation: Activation, lines: Sequence[ActivationLine], plan: Plan, step: str) -> set[int]:
    """Ask each post to take its lines: one message, one link, one ladder a post. Returns the posts."""
    by_post: dict[int, list[ActivationLine]] = {}
    for line in lines:
        if line.post_id is not None:
            by_post.setdefault(line.post_id, []).append(line)
    known = posts.posts(session, by_post)
    minutes = _config(session).plans.task_minutes
    rungs = zip((asking.Step.REMIND, asking.Step.DEPUTY, asking.Step.SUPERIOR), minutes, strict=False)
    ladder = asking.Ladder.of_minutes(*rungs)
    moment = now(session)
    reply_by = moment + timedelta(minutes=max(*minutes, 1))
    for post_id, mine in by_post.items():
        if post_id not in known:
            continue
        mine.sort(key=lambda line: (line.due_at is None, line.due_at or moment, line.position))
        first = mine[0]
        asking.ask(
            session, actor=ACTOR, subject=(SUBJECT, activation.id), kind="plan_tasks", post_id=post_id,
            text=messages.render(
                "plan_tasks", plan=plan.title, step=step, n=len(mine), task=_short(first.action),
                by=_when(first.due_at) if first.due_at else "预案规定时限",
            ),
            answers=ANSWERS, due_at=reply_by, ladder=ladder, notice_kind=KIND[activation.kind],
            drill=activation.kind is ActivationKind.EXERCISE, priority=_priority(activation),
            details=[("预案", plan.title), *(
                (f"任务{n}", line.action + (f"（{_when(line.due_at)}前）" if line.due_at else ""))
                for n, line in enumerate(mine[:12], start=1)
            )],
        )  # fmt: skip
    return set(by_post)


def hand_over(session: Session, *, actor: Actor, line_id: int, post_id: int, kind: ActivationKind) -> ActivationLine:
    """Give a line to a post and tell it."""
    activation, line, changed = checklist.assign(session, actor=actor, line_id=line_id, post_id=post_id, kind=kind)
    if changed:
        plan = session.get_one(Plan, activation.plan_id)
        tasks(session, activation, [line], plan, f"启动{activation.grade.zh}")
    return line


def _holders(session: Session, post_ids: Collection[int], order: Sequence[int]) -> list[notify.Recipient]:
    rows = session.execute(
        sa.select(PostHolder.post_id, PostHolder.contact_id, Contact.phone_index, Post.division_code)
        .join(Contact, Contact.id == PostHolder.contact_id)
        .join(Post, Post.id == PostHolder.post_id)
        .where(PostHolder.post_id.in_(post_ids), PostHolder.order.in_(order), Contact.phone_state.in_(_RECEIVES))
        .order_by(PostHolder.post_id, PostHolder.order)
    )
    return [notify.Recipient(f"post:{p}", code, contact, key) for p, contact, key, code in rows if key]


def _tell_posts(session: Session, activation: Activation, post_ids: Collection[int], text: str) -> int:
    people = _holders(session, post_ids, (0,))
    return _deliver(
        session, KIND[activation.kind], people, text, subject=(SUBJECT, activation.id),
        priority=_priority(activation),
    )  # fmt: skip


def late(session: Session, activation: Activation, plan: Plan, post_id: int, lines: Sequence[ActivationLine]) -> int:
    """The post hears that it is late; the second time its deputies too; the third time the post above it."""
    times = max(line.reminded for line in lines)
    first = min(lines, key=lambda line: line.due_at or line.added_at)
    facts: dict[str, Any] = {
        "plan": plan.title,
        "n": len(lines),
        "task": _short(first.action),
        "by": _when(first.due_at or first.added_at),
    }
    subject, priority = (SUBJECT, activation.id), _priority(activation)
    kind = KIND[activation.kind]
    people = _holders(session, [post_id], range(10) if times >= 2 else (0,))
    if not people and times < 2:
        people = _holders(session, [post_id], range(10))
    sent = _deliver(session, kind, people, messages.render("plan_late", **facts), subject=subject, priority=priority)
    post = session.get(Post, post_id)
    above = posts.superior_of(session, post) if post is not None and (times > 2 or not sent) else None
    if above is not None:
        named = posts.titles(session, [post_id]).get(post_id, "")
        text = messages.render("plan_late_above", post=named, **facts)
        sent += _deliver(session, kind, _holders(session, [above.id], (0,)), text, subject=subject, priority=priority)
    log(
        session, activation, EntryKind.TOLD, first.id, actor=ACTOR,
        data={"post": post_id, "above": above.id if above else None, "n": len(lines), "action": first.action,
              "times": times, "messages": sent},
    )  # fmt: skip
    return sent


# --- what asking tells us ---------------------------------------------------------------------------------------


def describe(session: Session, ids: Sequence[int]) -> Mapping[int, asking.Described]:
    """What a question of ours is about."""
    rows = session.execute(
        sa.select(Activation.id, Activation.kind, Activation.grade, Plan.title)
        .join(Plan, Plan.id == Activation.plan_id)
        .where(Activation.id.in_(list(ids)))
    )
    return {row.id: asking.Described(_named(row), f"/plans/activations/{row.id}") for row in rows}


def _named(row: sa.Row[int, ActivationKind, ResponseGrade, str]) -> str:
    mark = "【演练】" if row.kind is ActivationKind.EXERCISE else ""
    return f"{mark}{row.title} {row.grade.zh}"


def describe_decisions(session: Session, ids: Sequence[int]) -> Mapping[int, asking.Described]:
    """What a question to deciders is about."""
    steps = dict(
        session.execute(
            sa.select(ActivationStep.id, ActivationStep.activation_id).where(ActivationStep.id.in_(list(ids)))
        ).all()
    )
    known = describe(session, list(set(steps.values())))
    return {step_id: known[of] for step_id, of in steps.items() if of in known}


def on_answer(session: Session, question: Question, answer: Answer) -> None:
    """A post took its lines, finished them, or cannot: the checklist and the log hear of it."""
    activation = session.scalar(
        sa.select(Activation)
        .where(Activation.id == question.subject_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if activation is None or activation.state is not ActivationState.RUNNING or question.post_id is None:
        return
    if answer.key == UNABLE:
        log(session, activation, EntryKind.LINE, question.id, actor=answer.recorded_by, at=answer.at,
            data={"to": UNABLE, "post": question.post_id, "heard": answer.means.value})  # fmt: skip
        return
    who = f"post:{question.post_id}" if answer.means.value in ("link", "sms", "key") else answer.recorded_by
    checklist.answered(
        session, activation, question.post_id, question.asked_at, who=who, heard=Heard(answer.means.value),
        at=answer.at, to=LineState.TAKEN if answer.key == TAKEN else LineState.DONE,
    )  # fmt: skip


def due_reminders(line: ActivationLine, moment: datetime, minutes: Sequence[int]) -> int:
    """How many reminders about one line are due."""
    return rules.reminders_due(line.due_at, moment, minutes) if line.due_at is not None else 0


asking.register_subject(SUBJECT, describe=describe, on_answer=on_answer)
asking.register_subject(DECISION, describe=describe_decisions)
