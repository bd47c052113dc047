"""One's own account: language, password, second factor, sessions, tokens."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from emergency.http.forms import flash_done
from emergency.http.i18n import LANGUAGES, _
from emergency.http.permissions import Permission, requires
from emergency.http.request import config, current_actor, database, own_transaction, session
from emergency.people.accounts import door, factors, links, service, sessions, web_session
from emergency.people.accounts.forms import CodeForm, PasswordForm, TokenForm
from emergency.people.accounts.models import EndReason
from emergency.people.accounts.views_door import blueprint
from kernel.errors import DomainError


@blueprint.get("/account")
@requires(Permission.SIGNED_IN)
def own() -> str:
    """What the account may do, and its settings."""
    account = service.get(session(), current_actor().id)
    return flask.render_template(
        "accounts/own.html",
        account=account,
        remaining=factors.remaining_codes(session(), account.id),
        sessions=len(sessions.listed(session(), account_id=account.id)),
        tokens=len(links.live_tokens(session(), account.id)),
        area=service.area_name(session(), account),
        languages=list(LANGUAGES.items()),
        may_let_in=Permission.WARNINGS_APPROVE,
    )


@blueprint.post("/account/language")
@requires(Permission.SIGNED_IN)
def own_language() -> Response:
    """Choose the language."""
    chosen = "en" if flask.request.form.get("language") == "en" else "zh"
    service.change_locale(session(), actor=current_actor(), locale=chosen)
    response = flask.make_response(flask.redirect(flask.url_for("accounts.own"), 303))
    web_session.set_language(response, chosen)
    return response


@blueprint.get("/account/password")
@requires(Permission.SIGNED_IN)
def password() -> str:
    """A new password."""
    return _password_page(PasswordForm())


def _password_page(form: PasswordForm) -> str:
    with database().read() as reading:
        demanded = door.needs_current_password(
            reading, account_id=current_actor().id, sign_in_id=flask.g.get("sign_in_id", 0)
        )
        first = service.get(reading, current_actor().id).password_hash is None
    least = config().security.password_min_length
    return flask.render_template("accounts/password.html", form=form, demanded=demanded, first=first, least=least)


@blueprint.post("/account/password")
@requires(Permission.SIGNED_IN)
@own_transaction
def password_change() -> tuple[str, int] | Response:
    """Set the password."""
    form = PasswordForm()
    if not form.validate():
        return _password_page(form), 422
    try:
        door.change_password(
            database(),
            web_session.hasher(),
            web_session.gate(),
            actor=current_actor(),
            sign_in_id=flask.g.get("sign_in_id", 0),
            current=form.current.data or "",
            new=form.password.data or "",
            origin=web_session.origin(),
        )
    except DomainError as error:
        form.refuse(error, at="current" if error.code in ("current_password", "locked") else "password")
        return _password_page(form), 422
    flash_done(_("The password is set. Your other sessions have ended."))
    return flask.redirect(flask.url_for("accounts.own"), 303)


# --- second factor -----------------------------------------------------------------------------------------------


@blueprint.get("/account/second-factor")
@requires(Permission.SIGNED_IN)
def second_factor() -> str:
    """Where the second factor stands."""
    return _factor_page(CodeForm())


def _factor_page(form: CodeForm) -> str:
    with database().read() as reading:
        account = service.get(reading, current_actor().id)
        address = factors.setup_address(reading, actor=current_actor())
        confirmed_at = account.totp_confirmed_at
        remaining = factors.remaining_codes(reading, account.id)
    return flask.render_template(
        "accounts/second_factor.html",
        form=form,
        confirmed_at=confirmed_at,
        remaining=remaining,
        secret=factors.setup_secret(address) if address else None,
        demanded=flask.g.get("must_set_factor", False),
    )


@blueprint.post("/account/second-factor/begin")
@requires(Permission.SIGNED_IN)
def second_factor_begin() -> Response:
    """Prepare a secret."""
    factors.begin_setup(session(), actor=current_actor())
    return flask.redirect(flask.url_for("accounts.second_factor"), 303)


@blueprint.get("/account/second-factor/picture.svg")
@requires(Permission.SIGNED_IN)
def second_factor_picture() -> Response:
    """The QR picture of the secret that waits to be confirmed."""
    address = factors.setup_address(session(), actor=current_actor())
    if address is None:
        flask.abort(404)
    return flask.Response(factors.qr(address), mimetype="image/svg+xml", headers={"Cache-Control": "no-store"})


@blueprint.post("/account/second-factor/confirm")
@requires(Permission.SIGNED_IN)
@own_transaction
def second_factor_confirm() -> tuple[str, int] | str:
    """Show a code; the recovery codes are shown once."""
    form = CodeForm()
    if not form.validate():
        return _factor_page(form), 422
    try:
        with database().write() as writing:
            codes = factors.confirm(
                writing, actor=current_actor(), code=form.code.data or "", keep_session=flask.g.get("sign_in_id")
            )
    except DomainError as error:
        form.refuse(error, at="code")
        return _factor_page(form), 422
    return flask.render_template("accounts/recovery_codes.html", codes=codes)


@blueprint.post("/account/second-factor/codes")
@requires(Permission.TOKENS_OWN)
def recovery_codes() -> str:
    """Ten new recovery codes, shown once."""
    codes = factors.new_recovery_codes(session(), actor=current_actor())
    return flask.render_template("accounts/recovery_codes.html", codes=codes)


@blueprint.post("/account/second-factor/remove")
@requires(Permission.TOKENS_OWN)
@own_transaction
def second_factor_remove() -> tuple[str, int] | Response:
    """Take the second factor off."""
    form = CodeForm()
    try:
        with database().write() as writing:
            factors.remove(
                writing, actor=current_actor(), code=form.code.data or "", keep_session=flask.g.get("sign_in_id")
            )
    except DomainError as error:
        form.refuse(error, at="code")
        return _factor_page(form), 422
    flash_done(_("The second factor is off."))
    return flask.redirect(flask.url_for("accounts.own"), 303)


# --- sessions and tokens -----------------------------------------------------------------------------------------


@blueprint.get("/account/sessions")
@requires(Permission.SIGNED_IN)
def own_sessions() -> str:
    """Where one is signed in."""
    found = sessions.listed(session(), account_id=current_actor().id, current=flask.g.get("sign_in_id"))
    return flask.render_template("accounts/sessions.html", sessions=found)


@blueprint.post("/account/sessions/<int:sign_in_id>/end")
@requires(Permission.SIGNED_IN)
def own_session_end(sign_in_id: int) -> Response:
    """End one of one's sessions."""
    sessions.end_own(session(), actor=current_actor(), sign_in_id=sign_in_id)
    flash_done(_("The session has ended."))
    return flask.redirect(flask.url_for("accounts.own_sessions"), 303)


@blueprint.post("/account/sessions/end-others")
@requires(Permission.SIGNED_IN)
def own_sessions_end() -> Response:
    """End every session but this one."""
    actor = current_actor()
    ended = sessions.end_all(
        session(), actor=actor, account_id=actor.id, reason=EndReason.ENDED, keep=flask.g.get("sign_in_id")
    )
    flash_done(_("%(n)s other sessions have ended.", n=ended))
    return flask.redirect(flask.url_for("accounts.own_sessions"), 303)


@blueprint.get("/account/tokens")
@requires(Permission.TOKENS_OWN)
def own_tokens() -> str:
    """The keys of one's programmes."""
    return _tokens_page(TokenForm())


def _tokens_page(form: TokenForm, raw: str | None = None) -> str:
    found = links.live_tokens(session(), current_actor().id)
    return flask.render_template("accounts/tokens.html", form=form, tokens=found, raw=raw)


@blueprint.post("/account/tokens")
@requires(Permission.TOKENS_OWN)
def own_token_new() -> tuple[str, int] | str:
    """A new token, shown once."""
    form = TokenForm()
    if not form.validate():
        return _tokens_page(form), 422
    account = service.get(session(), current_actor().id)
    raw = service.create_token(session(), actor=current_actor(), account=account, name=form.name.data or "")
    return _tokens_page(TokenForm(formdata=None), raw)


@blueprint.post("/account/tokens/<int:token_id>/revoke")
@requires(Permission.TOKENS_OWN)
def own_token_revoke(token_id: int) -> Response:
    """End a token."""
    service.revoke_token(session(), actor=current_actor(), token_id=token_id)
    flash_done(_("The token is revoked."))
    return flask.redirect(flask.url_for("accounts.own_tokens"), 303)
