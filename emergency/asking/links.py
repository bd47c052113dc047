"""`/c/<token>`: the page behind the link in a message. No sign-in, no script; looking changes nothing, POST answers.

`/c` is where a short code that was read out is typed. What a browser or a chat program fetches beforehand, to show a
preview or to be quicker, never answers. Guessing is slowed down for an address and, for codes, for everybody together.
It shows what is asked and division names, nothing of any person: a telephone is lent, lost, read over a shoulder.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import flask
from flask.typing import ResponseReturnValue

from emergency.asking import moments, service, subjects
from emergency.asking.models import Means, Question, QuestionState
from emergency.asking.replies import actor_of
from emergency.asking.rules import REASONS, TIME, AnswerOption
from emergency.http import i18n, patience
from emergency.http.permissions import public
from emergency.http.request import config, session
from kernel.clock import BEIJING
from kernel.db import now
from kernel.errors import DomainError, TooMany

blueprint = flask.Blueprint("liaison", __name__)
WEEKDAYS = "一二三四五六日"
PREFETCHES = ("Purpose", "X-Purpose", "Sec-Purpose", "X-Moz")
"""Headers by which browsers say that nobody asked for this page yet."""
OPEN_TO_ALL = "the token in the link is the right to answer this one question"


def _language() -> str:
    chosen = flask.request.args.get("lang", "")
    return chosen if chosen in i18n.LANGUAGES else i18n.language()


def _moment(moment: datetime, language: str) -> str:
    local = moment.astimezone(BEIJING)
    if language == "en":
        return f"{local:%a %d %b, %H:%M}"
    return f"{local.month}月{local.day}日（周{WEEKDAYS[local.weekday()]}）{local:%H:%M}"


@blueprint.get("/c/<token>")
@public(OPEN_TO_ALL)
def ask(token: str) -> ResponseReturnValue:
    """The question, with one button an answer."""
    return _page(token)


@blueprint.post("/c/<token>")
@public(OPEN_TO_ALL)
def answer(token: str) -> ResponseReturnValue:
    """Take the answer, then show it."""
    opened = service.by_token(session(), token)
    if opened is None or not opened.takes_answers or _fetched_beforehand():
        return _page(token)
    form = flask.request.form
    if "wrong" in form and service.may_be_wrong(opened.question, opened.link):
        service.wrong_number(session(), link=opened.link)
        return _answer(flask.render_template("liaison/wrong.html", **_frame(opened.question)), 200)
    extra = {
        "deputy_name": form.get("deputy", "")[:40],
        "deputy_phone": form.get("phone", "")[:30],
        "reason": form.get("why", "") if form.get("why", "") in REASONS else "",
        "note": form.get("note", "")[:200],
    }
    try:
        service.answer(
            session(),
            actor=actor_of(opened.link),
            question_id=opened.question.id,
            answer=form.get("answer", ""),
            means=Means.LINK,
            extra=extra,
            link=opened.link,
            proposed_at=_proposed(form),
        )
    except DomainError as error:
        if error.status != 422:
            raise
        flask.g.refused = True
        return _page(token, error)
    language = _language() if "lang" in flask.request.args else None
    return flask.redirect(flask.url_for("liaison.ask", token=token, lang=language), 303)


@blueprint.get("/c")
@public("a page with one field: the code that is typed there is the right to answer")
def code() -> ResponseReturnValue:
    """Where a code that was read out is typed."""
    return _answer(flask.render_template("liaison/code.html", **_frame(None), error="", typed=""), 200)


@blueprint.post("/c/code")
@public("a page with one field: the code that is typed there is the right to answer")
def enter() -> ResponseReturnValue:
    """Take a code, and go on to its question."""
    typed = flask.request.form.get("code", "")[:40]
    translate = i18n.catalogue(_language()).gettext
    try:
        patience.of("liaison.codes", rate=1 / 30, burst=10).take(flask.request.remote_addr or "")
        patience.of("liaison.codes.all", rate=1.0, burst=60).take("everybody")
    except TooMany:
        error, status = translate("Too many attempts. Wait a few minutes, or ring the duty officer."), 429
    else:
        token = None if _fetched_beforehand() else service.enter(session(), code=typed)
        if token is not None:
            language = _language() if "lang" in flask.request.args else None
            return flask.redirect(flask.url_for("liaison.ask", token=token, lang=language), 303)
        error, status = translate("This code is not valid, or no longer. Have it read out again."), 422
    flask.g.refused = True
    return _answer(flask.render_template("liaison/code.html", **_frame(None), error=error, typed=typed), status)


def _fetched_beforehand() -> bool:
    return any("pre" in flask.request.headers.get(name, "").casefold() for name in PREFETCHES)


def _proposed(form: Any) -> datetime | None:
    """The other time that was chosen; an old browser shows plain fields, in which people write as they speak."""
    day, clock = form.get("day", "").strip()[:40], form.get("clock", "").strip()[:40]
    return moments.parse(f"{day} {clock}", now(session())) if day or clock else None


def _guessed() -> bool:
    """Count one address that leads nowhere; whether there were too many from there."""
    try:
        patience.of("liaison.links", rate=0.2, burst=30).take(flask.request.remote_addr or "")
    except TooMany:
        return True
    return False


def _page(token: str, error: DomainError | None = None) -> ResponseReturnValue:
    language = _language()
    translate = i18n.catalogue(language).gettext
    opened = service.by_token(session(), token)
    question = opened.question if opened is not None else None
    options, standing = [], None
    if question is not None:
        options = [AnswerOption.from_json(data) for data in question.answers]
        standing = next((option for option in options if option.key == question.answer_key), None)
    status = 200
    throttled = opened is None and _guessed()
    if opened is None:
        status = 429 if throttled else 404
    elif not opened.takes_answers:
        status = 410
    elif error is not None:
        status = error.status
    page = flask.render_template(
        "liaison/ask.html",
        **_frame(question),
        options=options,
        standing=standing,
        takes=opened is not None and opened.takes_answers,
        throttled=throttled,
        after=_aftermath(question) if opened is not None and not opened.takes_answers and not opened.left else "",
        first_day=_local(now(session()) + timedelta(days=1)),
        last_day=_local(now(session()) + timedelta(days=300)),
        needs_time=TIME,
        left=opened is not None and opened.left,
        expired=question is not None and question.state is not QuestionState.CLOSED,
        late=question is not None and question.due_at <= now(session()),
        due=_moment(question.due_at, language) if question is not None else "",
        closes=_moment(question.closes_at, language) if question is not None else "",
        reasons=[(key, words[language == "en"]) for key, words in REASONS.items()],
        error=error.text(translate) if error is not None else "",
        tried=flask.request.form.get("answer", "") if error is not None else "",
        may_be_wrong=opened is not None and opened.takes_answers and service.may_be_wrong(opened.question, opened.link),
    )
    return _answer(page, status)


def _local(moment: datetime) -> str:
    return f"{moment.astimezone(BEIJING):%Y-%m-%d}"


def _aftermath(question: Question | None) -> str:
    """Why the question is over, where the room of its subject knows."""
    told = subjects.aftermath(session(), question) if question is not None else None
    if told is None:
        return ""
    sentence, values = told
    return i18n.catalogue(_language()).gettext(sentence) % values


def _frame(question: Question | None) -> dict[str, Any]:
    """What every page behind a link shows around its words."""
    language = _language()
    return {
        "t": i18n.catalogue(language).gettext,
        "lang": language,
        "other": "zh" if language == "en" else "en",
        "site": config().site.name,
        "duty_phone": config().site.duty_phone,
        "question": question,
    }


def _answer(page: str, status: int) -> ResponseReturnValue:
    response = flask.make_response(page, status)
    # The address is the right to answer: it must not travel in a Referer, nor lie in a cache.
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
