"""The pages before the door: sign in, the second step, one-time links, sign out."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from emergency.http.i18n import _
from emergency.http.intake import inside
from emergency.http.permissions import public
from emergency.http.request import current_actor, database, own_transaction, session
from emergency.people.accounts import door, links, sessions, web_session
from emergency.people.accounts.forms import CodeForm, SignInForm
from emergency.people.accounts.models import EndReason, LinkPurpose
from kernel.errors import DomainError

blueprint = flask.Blueprint("accounts", "emergency.people.accounts")


@blueprint.get("/sign-in")
@public("the door itself")
def sign_in() -> str | Response:
    """Name and password."""
    if current_actor().kind == "account":
        return flask.redirect(inside(flask.request.args.get("next")), 303)
    form = SignInForm(data={"next": inside(flask.request.args.get("next"))})
    return flask.render_template("accounts/sign_in.html", form=form)


@blueprint.post("/sign-in")
@public("the door itself")
@own_transaction
def sign_in_try() -> tuple[str, int] | Response:
    """Try a name and a password."""
    form = SignInForm()
    if not form.validate():
        return flask.render_template("accounts/sign_in.html", form=form), 422
    try:
        result = door.by_password(
            database(),
            web_session.hasher(),
            web_session.gate(),
            username=form.username.data or "",
            password=form.password.data or "",
            origin=web_session.origin(),
            device=web_session.device(),
        )
    except DomainError as error:
        form.refuse(error)
        return flask.render_template("accounts/sign_in.html", form=form), error.status
    return _onward(result, inside(form.next.data))


def _onward(result: door.Entered | door.Pending, target: str) -> Response:
    if isinstance(result, door.Pending):
        web_session.wait_for_code(result)
        return flask.redirect(flask.url_for("accounts.code", next=target), 303)
    web_session.enter(result)
    if result.purpose in (LinkPurpose.FIRST, LinkPurpose.RESET):
        target = flask.url_for("accounts.password")
    return web_session.remember_device(flask.make_response(flask.redirect(target, 303)))


@blueprint.get("/sign-in/code")
@public("the second step of the door")
def code() -> str | Response:
    """The code of the second factor."""
    if web_session.pending() is None:
        return flask.redirect(flask.url_for("accounts.sign_in"), 303)
    return flask.render_template(
        "accounts/code.html", form=CodeForm(data={"next": inside(flask.request.args.get("next"))})
    )


@blueprint.post("/sign-in/code")
@public("the second step of the door")
@own_transaction
def code_try() -> tuple[str, int] | Response:
    """Try a code."""
    pending = web_session.pending()
    form = CodeForm()
    if pending is None:
        return flask.redirect(flask.url_for("accounts.sign_in"), 303)
    if not form.validate():
        return flask.render_template("accounts/code.html", form=form), 422
    try:
        result = door.by_code(
            database(), pending, form.code.data or "", origin=web_session.origin(), device=web_session.device()
        )
    except DomainError as error:
        if error.code == "pending_over":
            flask.session.clear()
            flask.flash(error.text(_), "error")
            return flask.redirect(flask.url_for("accounts.sign_in"), 303)
        form.refuse(error, at="code")
        return flask.render_template("accounts/code.html", form=form), error.status
    return _onward(result, inside(form.next.data))


@blueprint.get("/enter/<token>")
@public("a one-time link; looking at it does not use it")
def enter(token: str) -> str:
    """What the link is for, and one button. Programmes that open links in messages do not burn it."""
    return flask.render_template("accounts/enter.html", link=links.view_link(session(), token), token=token)


@blueprint.post("/enter/<token>")
@public("a one-time link")
@own_transaction
def enter_use(token: str) -> Response:
    """Use the link."""
    return _onward(door.by_link(database(), token, origin=web_session.origin()), "/")


@blueprint.post("/sign-out")
@public("leaving is open to everybody")
@own_transaction
def sign_out() -> Response:
    """End the session on the server and in the browser."""
    sign_in_id = flask.g.get("sign_in_id")
    if sign_in_id is not None:
        with database().write() as writing:
            sessions.end(writing, actor=current_actor(), sign_in_id=sign_in_id, reason=EndReason.SIGNED_OUT)
    web_session.leave()
    return flask.redirect(flask.url_for("accounts.sign_in"), 303)
