"""`/c/<token>`: the page behind the link in a message. No sign-in, no script; looking changes nothing, POST answers.

It shows what is asked and division names, nothing of any person: a telephone is lent, lost, read over a shoulder.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import flask
from flask.typing import ResponseReturnValue

from emergency.asking import service
from emergency.asking.models import Means, Question, QuestionState
from emergency.asking.replies import actor_of
from emergency.asking.rules import REASONS, AnswerOption
from emergency.http import i18n
from emergency.http.permissions import public
from emergency.http.request import config, session
from kernel.clock import BEIJING
from kernel.db import now
from kernel.errors import DomainError

blueprint = flask.Blueprint("liaison", __name__)
WEEKDAYS = "一二三四五六日"


def _language() -> str:
    chosen = flask.request.args.get("lang", "")
    return chosen if chosen in i18n.LANGUAGES else i18n.language()


def _moment(moment: datetime, language: str) -> str:
    local = moment.astimezone(BEIJING)
    if language == "en":
        return f"{local:%a %d %b, %H:%M}"
    return f"{local.month}月{local.day}日（周{WEEKDAYS[local.weekday()]}）{local:%H:%M}"


@blueprint.get("/c/<token>")
@public("the token in the link is the right to answer this one question")
def ask(token: str) -> ResponseReturnValue:
    """The question, with one button an answer."""
    return _page(token)


@blueprint.post("/c/<token>")
@public("the token in the link is the right to answer this one question")
def answer(token: str) -> ResponseReturnValue:
    """Take the answer, then show it."""
    opened = service.by_token(session(), token)
    if opened is None or not opened.takes_answers:
        return _page(token)
    form = flask.request.form
    if "wrong" in form and service.may_be_wrong(opened.question, opened.link):
        service.wrong_number(session(), link=opened.link)
        return _answer(flask.render_template("liaison/wrong.html", **_frame(opened.question)), 200)
    extra = {
        "deputy_name": form.get("deputy", "")[:40],
        "deputy_phone": form.get("phone", "")[:30],
        "reason": form.get("why", "") if form.get("why", "") in REASONS else "",
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
        )
    except DomainError as error:
        if error.status != 422:
            raise
        flask.g.refused = True
        return _page(token, error)
    language = _language() if "lang" in flask.request.args else None
    return flask.redirect(flask.url_for("liaison.ask", token=token, lang=language), 303)


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
    if opened is None:
        status = 404
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
        expired=question is not None and question.state is not QuestionState.CLOSED,
        late=question is not None and question.due_at <= now(session()),
        due=_moment(question.due_at, language) if question is not None else "",
        closes=_moment(question.closes_at, language) if question is not None else "",
        reasons=[(key, words[language == "en"]) for key, words in REASONS.items()],
        error=error.text(translate) if error is not None else "",
        tried=flask.request.form.get("answer", "") if error is not None else "",
        may_be_wrong=opened is not None and service.may_be_wrong(opened.question, opened.link),
    )
    return _answer(page, status)


def _frame(question: Question | None) -> dict[str, Any]:
    """What every page behind a link shows around its words."""
    language = _language()
    return {
        "t": i18n.catalogue(language).gettext,
        "lang": language,
        "other": "zh" if language == "en" else "en",
        "site": config().site.name,
        "question": question,
    }


def _answer(page: str, status: int) -> ResponseReturnValue:
    response = flask.make_response(page, status)
    # The address is the right to answer: it must not travel in a Referer, nor lie in a cache.
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
