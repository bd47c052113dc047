"""The texts that leave: templates with named fields, ours in `templates/messages/`, an installation's own beside them.

A template is plain text with `{field}`s, filled once; nothing in it can be executed or looked into. Which fields it may
name is fixed here. A file of the same name in the folder `notify.messages` of the configuration takes its place; one
that is faulty never keeps a warning from leaving: ours is used, and `emergency notify templates` says what is wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kernel.errors import N_, Invalid
from kernel.logs import kv
from notify import markers
from notify import text as notify_text

log = logging.getLogger(__name__)
OURS: Final = Path(__file__).resolve().parents[1] / "templates" / "messages"
_AT: Final = "8月3日03:00"
_WARNING: Final = {
    "headline": "洪水红色预警",
    "description": "子牙河水位上涨，王口镇沿河村今夜可能进水。",
    "instruction": "请立即到镇中心小学集合，不要回家取东西。",
    "issuer": "静海区人民政府",
    "sent": _AT,
}
_APPROVAL: Final = {"status": "预警", "headline": "洪水红色预警", "area": "王口镇", "people": "21400"}
_QUESTION: Final = {
    "text": "请确认今晚值班人员已到岗。",
    "due": "8月3日04:00",
    "link": "https://jinghai.example/c/abcdefghijklmnopqrstuv",
}
_DRILL: Final = {"title": "王口镇防汛转移演练", "when": "8月3日（周日）09:00"}
_BY_REPLY: Final = {**_QUESTION, "choices": "1 已到岗，2 未到岗"}


@dataclass(frozen=True)
class Entry:
    """One text: what it is for, and its fields, each with an example."""

    purpose: str
    sample: Mapping[str, str]
    optional: frozenset[str] = frozenset()
    """Fields that an installation's own text may leave out."""
    whole: bool = True
    """It is a message by itself, and not a piece of one."""


CATALOGUE: Final[Mapping[str, Entry]] = {
    "alert": Entry(N_("A warning"), _WARNING),
    "update": Entry(N_("A warning that changes another"), _WARNING),
    "relayed": Entry(N_("A relayed warning"), {**_WARNING, "relayed_from": "静海区气象台"}),
    "own": Entry(
        N_("A warning in the officer's own words"),
        {"text": "请立即转移到镇中心小学。", "issuer": _WARNING["issuer"], "sent": _AT},
    ),
    "plan_faults": Entry(
        N_("To the owner of plans: what is wrong today"), {"day": "8月3日", "count": "4", "urgent": "1"}
    ),
    "all_clear": Entry(
        N_("The text that lifts a warning"),
        {"text": "洪水红色预警已解除。", "issuer": _WARNING["issuer"], "sent": _AT},
    ),
    "all_clear_default": Entry(
        N_("The words that lift a warning unless others are written"),
        {"headline": _WARNING["headline"], "area": "王口镇"},
        whole=False,
    ),
    "cancel": Entry(
        N_("The text that takes a warning back"),
        {"headline": _WARNING["headline"], "reason": "水位读数有误。", "issuer": _WARNING["issuer"], "sent": _AT},
    ),
    "approval_asked": Entry(N_("To approvers: something waits"), _APPROVAL, frozenset(_APPROVAL) - {"headline"}),
    "approval_waiting": Entry(
        N_("To approvers: it still waits"), {**_APPROVAL, "minutes": "5"}, frozenset(_APPROVAL) - {"headline"}
    ),
    "break_glass": Entry(
        N_("To approvers: one person alone issued"),
        {name: _APPROVAL[name] for name in ("headline", "area", "people")},
        frozenset({"area", "people"}),
    ),
    "decided": Entry(
        N_("To the author: it was not approved"),
        {"status": "预警", "outcome": "退回修改", "headline": _WARNING["headline"]},
        frozenset({"status"}),
    ),
    "link_test": Entry(N_("A link test by text"), {}),
    "link_test_call": Entry(N_("A link test by telephone"), {}),
    "handed_over": Entry(
        N_("To the next on duty: the watch is yours"),
        {"at": "08:00", "role": "带班领导", "ends": "8月4日08:00"},
        frozenset({"at", "role"}),
    ),
    "question": Entry(N_("A question, to be answered by text or link"), _BY_REPLY),
    "question_by_link": Entry(N_("A question, to be answered by link"), _QUESTION),
    "question_spoken": Entry(
        N_("A question by telephone, answered by a key"),
        {name: _BY_REPLY[name] for name in ("text", "due", "choices")},
        frozenset({"due"}),
        whole=False,
    ),
    "asked_back": Entry(N_("Asking back: several questions are open"), {"n": "2"}, whole=False),
    "asked_back_line": Entry(
        N_("Asking back: one of the questions"),
        {"letter": "A", "who": "义和村信息员", "text": "请确认今晚值班人员已到岗。", "choices": "1 已到岗，2 未到岗"},
        frozenset({"who"}),
        whole=False,
    ),
    "drill_invitation": Entry(N_("To posts: who takes part in a drill"), _DRILL, whole=False),
    "drill_invitation_at": Entry(
        N_("To posts: who takes part in a drill, and where"), {**_DRILL, "place": "镇中心小学"}, whole=False
    ),
    **{
        f"drill_moved{said}{at}": Entry(
            N_("To posts: a drill was moved"),
            {**_DRILL, "before": "8月2日（周六）09:00"}
            | ({"said": "能参加"} if said else {})
            | ({"place": "镇中心小学"} if at else {}),
            whole=False,
        )
        for said in ("", "_said")
        for at in ("", "_at")
    },
    "drill_moved_told": Entry(
        N_("To who was asked in a post's place: a drill was moved"), {**_DRILL, "before": "8月2日（周六）09:00"}
    ),
    "drill_cancelled": Entry(N_("To posts: a drill was called off"), {**_DRILL, "reason": "当日有实际防汛任务"}),
    "drill_reminder": Entry(N_("To posts: the drill that they take part in is near"), _DRILL),
    "drill_reminder_at": Entry(
        N_("To posts: the drill that they take part in is near, and where"), {**_DRILL, "place": "镇中心小学"}
    ),
    "drill_refused": Entry(
        N_("To a post: another date was not accepted"),
        {**_DRILL, "wanted": "8月5日（周二）14:00", "reason": "当日另有安排"},
    ),
    "drill_refused_words": Entry(
        N_("To a post: another date, in its own words, was not accepted"), {**_DRILL, "reason": "当日另有安排"}
    ),
    "drill_action_due": Entry(
        N_("To a post: its corrective action is due soon"), {"task": "增配转移车辆", "due": "8月3日"}, whole=False
    ),
    "drill_action_late": Entry(
        N_("To a post, its deputy, its superior: a corrective action is late"),
        {"task": "增配转移车辆", "due": "8月3日"},
        whole=False,
    ),
    "plan_decision": Entry(
        N_("To approvers: a response waits for the decision"),
        {"status": "响应", "plan": "防汛应急预案", "step": "启动Ⅱ级响应"},
        frozenset({"status"}),
    ),
    "plan_alone": Entry(
        N_("To approvers: one person alone decided a response"), {"plan": "防汛应急预案", "step": "启动Ⅱ级响应"}
    ),
    "plan_trigger": Entry(
        N_("To approvers: a trigger of a plan may be met"),
        {"headline": "洪水红色预警", "plan": "防汛应急预案", "level": "Ⅱ级响应"},
    ),
    "plan_tasks": Entry(
        N_("To a post: its actions of a response"),
        {"plan": "防汛应急预案", "step": "启动Ⅱ级响应", "n": "2", "task": "低洼村庄先行转移", "by": "8月3日04:00"},
        whole=False,
    ),
    "plan_late": Entry(
        N_("To a post: an action is late"),
        {"plan": "防汛应急预案", "n": "1", "task": "低洼村庄先行转移", "by": "8月3日04:00"},
        frozenset({"n"}),
    ),
    "plan_late_above": Entry(
        N_("To the superior: an action is late"),
        {"plan": "防汛应急预案", "post": "义和村防汛责任人", "n": "1", "task": "低洼村庄先行转移", "by": "8月3日04:00"},
        frozenset({"n"}),
    ),
    "plan_changed": Entry(
        N_("To posts: the response was changed or ended"), {"plan": "防汛应急预案", "step": "降至Ⅲ级响应"}
    ),
    "remind": Entry(N_("The same question once more"), {"text": _QUESTION["text"]}, whole=False),
    "ask_deputy": Entry(
        N_("The question to a deputy"),
        {"post": "义和村信息员", "text": _QUESTION["text"]},
        frozenset({"post"}),
        whole=False,
    ),
    "ask_superior": Entry(
        N_("The question to the superior"), {"post": "义和村信息员", "text": _QUESTION["text"]}, whole=False
    ),
}
_own: Path | None = None


def use(folder: Path | None) -> None:
    """Say where this installation keeps its own texts; called once when it is opened."""
    global _own
    _own = folder


@dataclass(frozen=True)
class Found:
    """A template as it is used: where it comes from, and what is wrong with the installation's own."""

    name: str
    language: str
    body: str
    path: Path
    own: bool
    fault: Invalid | None = None
    sample: str = field(default="", compare=False)
    """The text as it would leave, with the examples for its fields."""


def fault_of(entry: Entry, body: str) -> Invalid | None:
    """What is wrong with a template, or None: unknown fields, fields left out, words that betray a kind, length."""
    try:
        named = notify_text.fields(body)
    except Invalid as error:
        return error
    unknown = sorted(named - entry.sample.keys())
    if unknown:
        return Invalid(
            N_("The text names %(unknown)s, which it does not have. It has: %(known)s."),
            code="unknown_field", unknown=", ".join(unknown), known=", ".join(entry.sample),
        )  # fmt: skip
    absent = sorted(entry.sample.keys() - named - entry.optional)
    if absent:
        return Invalid(
            N_("The text leaves out %(names)s, which must not be missing."), code="missing_field",
            names=", ".join(absent),
        )  # fmt: skip
    said = markers.drill_mark(body) or markers.says_drill(body) or markers.claims_real(body)
    if said:
        return Invalid(
            N_("“%(words)s” speaks of the kind of message; marks are put there by the system alone."),
            code="kind_mismatch", words=said,
        )  # fmt: skip
    if notify_text.too_long(notify_text.render(body, entry.sample)):
        return Invalid(N_("The text is longer than one message can carry."), code="text_too_long")
    return None


def find(name: str, language: str = "zh") -> Found:
    """The template in force: the installation's own where it is sound, otherwise ours; Chinese where no other is."""
    entry = CATALOGUE[name]
    fault = None
    for file in ([f"{name}.{language}.txt"] if language != "zh" else []) + [f"{name}.txt"]:
        for folder, own in ((_own, True), (OURS, False)):
            path = folder / file if folder is not None else None
            if path is None or not path.is_file():
                continue
            body = path.read_text("utf-8").replace("\r\n", "\n").strip()
            wrong = fault_of(entry, body)
            if wrong is None:
                tongue = "en" if path.name.endswith(".en.txt") else "zh"
                return Found(name, tongue, body, path, own, fault, notify_text.render(body, entry.sample))
            if not own:
                raise wrong
            fault = fault or wrong
            log.error("template refused %s", kv(file=str(path), code=wrong.code))
    raise Invalid(N_("There is no message template “%(name)s”."), code="no_template", name=name)


def render(template: str, /, language: str = "zh", **fields: Any) -> str:
    """A template with its fields filled; values are inserted as they are.

    Raises `Invalid` `missing_field` with the names of fields without a value, `unknown_field` for one it cannot have.
    """
    unknown = sorted(fields.keys() - CATALOGUE[template].sample.keys())
    if unknown:
        raise Invalid(
            N_("The text names %(unknown)s, which it does not have. It has: %(known)s."),
            code="unknown_field", unknown=", ".join(unknown), known=", ".join(CATALOGUE[template].sample),
        )  # fmt: skip
    return notify_text.render(find(template, language).body, fields)


def listed() -> list[Found]:
    """Every text in every language that it has, as it is in force."""
    found = []
    for name in CATALOGUE:
        found.append(find(name))
        if any((folder / f"{name}.en.txt").is_file() for folder in (OURS, _own) if folder is not None):
            found.append(find(name, "en"))
    return found


def strays() -> list[Path]:
    """Files in the installation's own folder that take no text's place."""
    if _own is None or not _own.is_dir():
        return []
    names = {f"{name}{ending}" for name in CATALOGUE for ending in (".txt", ".en.txt")}
    return sorted(path for path in _own.iterdir() if path.is_file() and path.name not in names)
