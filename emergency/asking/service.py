"""Asking: one question to one post or account by a time; what other rooms and the edge use."""

from __future__ import annotations

from emergency.asking.answers import (
    ANSWERED,
    QuestionClosed,
    answer,
    answer_own,
    close,
    close_these,
    remark_of,
    reveal_remark,
    withdraw,
)
from emergency.asking.asks import ASKED, ask, ask_many
from emergency.asking.labels import actor_names, asked_of, post_labels
from emergency.asking.lookup import (
    Opened,
    answers_of,
    asked_of_me,
    at_the_door,
    by_token,
    count_open,
    get,
    open_questions,
    questions_about,
    steps_of,
)
from emergency.asking.models import Means
from emergency.asking.replies import ReplyDesk
from emergency.asking.rules import AnswerOption, Ladder, Rung, Step
from emergency.asking.sending import Target, config_of, holders, roads, words
from emergency.asking.showing import Shown, enter, show
from emergency.asking.sorting import (
    Revealed,
    assignable,
    counts,
    dismiss_courtesies,
    dismiss_reply,
    get_reply,
    late_replies,
    replies,
    reveal_reply,
    use_reply,
)
from emergency.asking.subjects import Described, describe, register_subject
from emergency.asking.verification import ask_to_verify
from emergency.asking.waiting import Waiting, waiting
from emergency.asking.wrong import may_be_wrong, wrong_number

__all__ = [
    "ANSWERED",
    "ASKED",
    "AnswerOption",
    "Described",
    "Ladder",
    "Means",
    "Opened",
    "QuestionClosed",
    "ReplyDesk",
    "Revealed",
    "Rung",
    "Shown",
    "Step",
    "Target",
    "Waiting",
    "actor_names",
    "answer",
    "answer_own",
    "answers_of",
    "ask",
    "ask_many",
    "ask_to_verify",
    "asked_of",
    "asked_of_me",
    "assignable",
    "at_the_door",
    "by_token",
    "close",
    "close_these",
    "config_of",
    "count_open",
    "counts",
    "describe",
    "dismiss_courtesies",
    "dismiss_reply",
    "enter",
    "get",
    "get_reply",
    "holders",
    "late_replies",
    "may_be_wrong",
    "open_questions",
    "post_labels",
    "questions_about",
    "register_subject",
    "remark_of",
    "replies",
    "reveal_remark",
    "reveal_reply",
    "roads",
    "show",
    "steps_of",
    "use_reply",
    "waiting",
    "withdraw",
    "words",
    "wrong_number",
]
