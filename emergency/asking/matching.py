"""What a reply answers: open questions × words → a verdict. Pure; whatever is not certain is left to a person."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from emergency.asking import moments
from emergency.asking.models import QuestionState, ReplyWhy
from emergency.asking.rules import PERSON, TIME, AnswerOption

LETTERS = "ABCDEF"
"""What the questions of an asking-back are called."""
LATE_WINDOW = timedelta(days=3)
"""So long after a question has closed a reply is still taken to speak of it."""
RIVAL_WINDOW = timedelta(minutes=15)
"""So long after a question went unanswered, a bare digit may still be meant for it and not for the next one."""
_LIVE = frozenset({QuestionState.OPEN, QuestionState.ANSWERED, QuestionState.EXPIRED})
_DRILL_WORDS = ("【演练】", "[演练]", "(演练)", "演练", "exercise", "drill")
_CHINESE_DIGITS = {"一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6}
_EDGES = " \t\r\n。.！!,，、;；:：~～\"'“”‘’()[]【】<>#*"
_BETWEEN = r"[\s,，、.。:：;；\-]*"
_NUMBER = re.compile(rf"(?:选择|选|回复|回|按)?{_BETWEEN}([1-9一二三四五六])(?:号)?")
_LEAD = re.compile(r"([1-9一二三四五六])([\s,，、.。:：;；]*)(\D.*)", re.DOTALL)
_DATED = re.compile(r"([1-9一二三四五六])[\s,，、。:：;；]+(\d.*)", re.DOTALL)
_MEASURES = "天日月年号点时个人次位名分秒岁周块元米"
_BARE_DIGIT = re.compile(r"(?<!\d)[1-6](?![\d月日号点时:天个])")
_DOUBT = ("还是", "或", "不对", "改成", "更正", "?", "吗", "错")
STOP = frozenset(
    {"stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "optout", "revoke", "t", "td", "退订", "退",
     "拒收", "回t", "回td", "回复t", "回复td", "t退订", "td退订", "退订t", "退订td", "取消订阅", "不要再发", "别再发了"}
)  # fmt: skip
"""The provider's own keywords, and what carriers in China teach: T, TD, 退订."""
START = frozenset({"start", "unstop", "恢复", "恢复接收", "恢复短信", "订阅", "重新订阅"})
COURTESY = frozenset(
    {"收到", "已收到", "收到谢谢", "收到了", "好", "好的", "好的谢谢", "知道了", "明白", "谢谢", "谢了", "辛苦了", "嗯",
     "ok", "okay", "thanks", "thank you", "received"}
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One question as it stands for the number that replied."""

    question_id: int
    options: tuple[AnswerOption, ...]
    state: QuestionState
    sent_at: datetime
    """When the last message about it was made for this number before the reply."""
    closes_at: datetime
    exercise: bool = False
    """Whether its messages leave as Exercise."""
    drill: bool = False
    """Whether it is about an exercise, whatever its messages are."""
    about: tuple[str, int] = ("", 0)


@dataclass(frozen=True)
class Choice:
    """A choice and the words that came after it."""

    option: AnswerOption
    rest: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a reply means: a choice of one question, or why a person has to look (with the questions it may be for)."""

    question_id: int | None = None
    choice: Choice | None = None
    why: ReplyWhy | None = None
    candidates: tuple[int, ...] = ()


def plain(text: str) -> str:
    """The words without what keyboards add: full-width and circled digits, keycaps, edges of punctuation."""
    said = unicodedata.normalize("NFKC", text.replace("\ufe0f", "").replace("\u20e3", ""))
    said = "".join(c for c in said if unicodedata.category(c) not in ("Cf", "So", "Sk", "Co"))
    return " ".join(said.casefold().split()).strip(_EDGES)


def subscription(text: str) -> str | None:
    """`stop` or `start` where the whole text is one of the agreed words; never a part of a sentence."""
    said = plain(text)
    return "stop" if said in STOP else "start" if said in START else None


def is_courtesy(text: str) -> bool:
    """A bare "received" or "thank you", which answers nothing and asks nothing."""
    return plain(text).replace(",", "").replace(" ", "") in {word.replace(" ", "") for word in COURTESY}


def names(option: AnswerOption) -> frozenset[str]:
    """What stands on the button, in both languages."""
    return frozenset(plain(word) for word in (option.zh, option.en, option.key) if word)


def words(option: AnswerOption) -> frozenset[str]:
    """Everything that means this choice, with what its question understands besides."""
    return names(option) | {plain(word) for word in option.words}


def choose(text: str, options: Sequence[AnswerOption], at: datetime | None = None) -> Choice | None:
    """The choice that a reply means: its number, its word, both if they agree; or None where a person must read it.

    After a choice that wants a reason, further words are the reason; after one that proposes another date they are the
    date (said at `at`). Nothing is taken out of the middle of a sentence.
    """
    said = plain(text)
    if not said:
        return None
    number = _NUMBER.fullmatch(said)
    if number is not None:
        return _numbered(number[1], options)
    exact = [option for option in options if said in words(option)]
    if exact:
        return Choice(exact[0]) if len(exact) == 1 else None
    dated = _DATED.fullmatch(said)
    if dated is not None and at is not None:
        named = _numbered(dated[1], options)
        if named is not None and named.option.needs == TIME and moments.parse(dated[2], at) is not None:
            return Choice(named.option, dated[2])
    lead = _LEAD.fullmatch(said)
    if lead is not None:
        first = _numbered(lead[1], options)
        if first is None or lead[3][0] in _MEASURES:  # "3 天后回来" counts days, it chooses nothing
            return None
        if not lead[2] and lead[3].strip(_EDGES) not in words(first.option):
            return None
        return _with_rest(first.option, lead[3], options, at)
    found = {
        option.key: (option, said[len(word) :])
        for option in options
        for word in sorted(words(option), key=len)
        if len(word) > 1 and said.startswith(word) and said[len(word)] in " ,，、.。:：;；到至0123456789"
    }
    if len(found) != 1:
        return None
    option, rest = next(iter(found.values()))
    return _with_rest(option, rest, options, at) if option.needs in ("reason", TIME) else None


def _numbered(digit: str, options: Sequence[AnswerOption]) -> Choice | None:
    number = _CHINESE_DIGITS.get(digit) or int(digit)
    return Choice(options[number - 1]) if number <= len(options) else None


def _with_rest(
    option: AnswerOption, rest: str, options: Sequence[AnswerOption], at: datetime | None = None
) -> Choice | None:
    rest = rest.strip(_EDGES)
    if not rest or rest in words(option):
        return Choice(option)
    if option.needs == TIME and at is not None and moments.parse(rest, at) is not None:
        return Choice(option, rest)
    others = {word for other in options if other != option for word in words(other)}
    own = words(option)
    contradicted = any(len(word) > 1 and word in rest and not any(word in mine for mine in own) for word in others)
    if option.needs not in ("reason", TIME) or rest in others or contradicted or _BARE_DIGIT.search(rest):
        return None
    return None if any(doubt in rest for doubt in _DOUBT) else Choice(option, rest)


def lettered(text: str, letters: Sequence[int]) -> tuple[int, str] | None:
    """The question that a letter of an asking-back names, and the words beside it: `A1`, `1A`, `b 能到`."""
    said = plain(text)
    named = LETTERS[: len(letters)].casefold()
    if len(said) < 2 or not named:
        return None
    if said[0] in named and not _latin(said[1]):
        return letters[named.index(said[0])], said[1:]
    if said[-1] in named and not _latin(said[-2]):
        return letters[named.index(said[-1])], said[:-1]
    return None


def _latin(character: str) -> bool:
    return character.isascii() and character.isalpha()


def judge(
    asked: Collection[Asked],
    text: str,
    at: datetime,
    *,
    letters: Sequence[int] = (),
    exact: int | None = None,
    exercise_only: bool | None = None,
) -> Verdict:
    """What a reply that came at `at` means, given every question that its number was sent.

    `letters` are the questions of an asking-back that is still good; `exact` is the question whose very message is
    answered (a key pressed in its call). `exercise_only` says what the receiving account carries: True exercises
    alone, False nothing of exercises, None both. A question counts only for replies after its message was made.
    """
    known = [one for one in asked if one.sent_at <= at and (exercise_only is None or one.exercise is exercise_only)]
    if exact is not None:
        return _settled([one for one in known if one.question_id == exact], text, at)
    words_left, drill_said = _drill_said(text)
    if drill_said:
        known = [one for one in known if one.drill or one.exercise]
    pick = lettered(words_left, letters)
    if pick is not None:
        return _settled([one for one in known if one.question_id == pick[0]], pick[1], at)
    live = [one for one in known if one.state in _LIVE and at < one.closes_at]
    waiting = [one for one in live if one.state is not QuestionState.ANSWERED]
    meant = waiting or live
    if not meant:
        return _settled(known, words_left, at)
    rivals = [one for one in known if _is_rival(one, at) and all(one.about != other.about for other in meant)]
    # An answered exercise may be answered anew: the same digit must not settle what is real, nor the reverse.
    rivals += [one for one in live if one not in meant and any(one.exercise is not other.exercise for other in meant)]
    if len(meant) + len(rivals) == 1:
        return _settled(meant, words_left, at)
    said = plain(words_left)
    by_name = [one for one in meant + rivals if any(said in names(option) for option in one.options)]
    if len(by_name) == 1 and by_name[0] in live and not said.isdecimal():
        return _settled(by_name, words_left, at)
    # What chooses nothing in any of them is not asked back about: a person reads it.
    chosen = any(choose(words_left, one.options, at) is not None for one in meant + rivals)
    why = ReplyWhy.AMBIGUOUS if chosen else ReplyWhy.UNCLEAR
    return Verdict(why=why, candidates=tuple(one.question_id for one in meant + rivals))


def _drill_said(text: str) -> tuple[str, bool]:
    said = plain(text)
    for word in _DRILL_WORDS:
        bare = plain(word)
        for rest in (said.removeprefix(bare), said.removesuffix(bare)):
            if rest != said and rest.strip(_EDGES) and len(rest.strip(_EDGES)) <= 12:
                return rest.strip(_EDGES), True
    return text, False


def _is_rival(one: Asked, at: datetime) -> bool:
    unanswered = one.state in (QuestionState.EXPIRED, QuestionState.OPEN)
    return unanswered and one.closes_at <= at < one.closes_at + RIVAL_WINDOW


def _settled(meant: Sequence[Asked], text: str, at: datetime) -> Verdict:
    """The verdict where at most one question can be meant, or where all of them are over."""
    ids = tuple(one.question_id for one in meant)
    live = [one for one in meant if one.state in _LIVE and at < one.closes_at]
    if not live:
        recent = tuple(one.question_id for one in meant if at < one.closes_at + LATE_WINDOW)
        if recent and not is_courtesy(text):
            return Verdict(why=ReplyWhy.LATE, candidates=recent)
        return Verdict(why=ReplyWhy.COURTESY if is_courtesy(text) else ReplyWhy.NO_QUESTION)
    if len(live) > 1:
        return Verdict(why=ReplyWhy.AMBIGUOUS, candidates=ids)
    choice = choose(text, live[0].options, at)
    if choice is None and is_courtesy(text) and live[0].state is QuestionState.ANSWERED:
        return Verdict(why=ReplyWhy.COURTESY, candidates=ids)
    if choice is None:
        return Verdict(why=ReplyWhy.UNCLEAR, candidates=ids)
    if choice.option.needs in PERSON:
        return Verdict(why=ReplyWhy.NEEDS_NAME, candidates=ids)
    return Verdict(live[0].question_id, choice)


def asks_back(verdict: Verdict, earlier: Sequence[Collection[int]], *, two_way: bool) -> bool:
    """Whether the number is sent the list of its open questions: once for the same questions, and never in a loop.

    `earlier` are the questions of each asking-back that this number was sent within the window.
    """
    if not two_way or verdict.why is not ReplyWhy.AMBIGUOUS or not 2 <= len(verdict.candidates) <= len(LETTERS):
        return False
    return not any(set(verdict.candidates) <= set(before) for before in earlier)
