"""The administrator's pages: who has an account, with which roles, where; and the approver's way to let an officer in."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from emergency.http.forms import flash_done
from emergency.http.i18n import _
from emergency.http.permissions import Permission, Role, requires
from emergency.http.request import config, current_actor, session
from emergency.people.accounts import service, sessions
from emergency.people.accounts.forms import EditAccountForm, FilterForm, NewAccountForm
from emergency.people.accounts.models import AccountState
from emergency.people.accounts.views_door import blueprint
from kernel.errors import Conflict, Invalid, NotFound


@blueprint.get("/accounts")
@requires(Permission.ACCOUNTS_MANAGE)
def accounts() -> str:
    """Every account of the area."""
    args = flask.request.args
    form = FilterForm(args)
    chosen = form.data if form.validate() else {"role": None, "state": None}
    page = service.list_accounts(
        session(), actor=current_actor(), role=chosen["role"], state=chosen["state"], q=args.get("q"),
        cursor=args.get("cursor"),
    )  # fmt: skip
    return flask.render_template(
        "accounts/list.html",
        page=page,
        rows=service.rows(session(), actor=current_actor(), accounts=page.items),
        total=service.count_accounts(session(), actor=current_actor()),
        chosen=chosen,
        role_choices=Role,
        state_choices=AccountState,
        q=args.get("q", ""),
    )


@blueprint.get("/accounts/new")
@requires(Permission.ACCOUNTS_MANAGE)
def account_new() -> str:
    """A new account."""
    form = NewAccountForm(data={"division_code": current_actor().division_code})
    return flask.render_template("accounts/new.html", form=form, areas=_areas())


def _link_page(username: str, url: str, account_id: int | None = None) -> str:
    hours = config().security.link_hours
    return flask.render_template("accounts/link.html", username=username, account_id=account_id, url=url, hours=hours)


def _areas() -> list[tuple[str, str]]:
    return service.areas(session(), actor=current_actor())


@blueprint.post("/accounts/new")
@requires(Permission.ACCOUNTS_MANAGE)
def account_create() -> tuple[str, int] | str:
    """Create it, and show its first link once."""
    form = NewAccountForm()
    if form.validate():
        try:
            account = service.create_user(
                session(),
                actor=current_actor(),
                username=form.username.data or "",
                roles=form.chosen_roles(),
                division_code=form.division_code.data or "",
                name=form.name.data,
                phone=form.phone.data,
            )
            url = service.make_link(session(), actor=current_actor(), account=account)
            return _link_page(account.username, url, account.id)
        except (Conflict, Invalid, NotFound) as error:  # what is forbidden goes to the journal
            flask.g.refused = True
            form.refuse(error)
    return flask.render_template("accounts/new.html", form=form, areas=_areas()), 422


@blueprint.get("/accounts/<int:account_id>")
@requires(Permission.ACCOUNTS_MANAGE)
def account(account_id: int) -> str:
    """One account: what it may do, how it stands, where it is signed in."""
    actor = current_actor()
    found = service.seen(session(), actor=actor, account_id=account_id)
    return flask.render_template(
        "accounts/show.html",
        account=found,
        row=service.rows(session(), actor=actor, accounts=[found])[0],
        sessions=sessions.listed_for(session(), actor=actor, account_id=account_id),
        tokens=service.live_tokens(session(), account_id),
        changes=service.life(session(), account_id),
        names=service.names_of(session(), account_id),
        states=AccountState,
    )


@blueprint.get("/accounts/<int:account_id>/edit")
@requires(Permission.ACCOUNTS_MANAGE)
def account_edit(account_id: int) -> str:
    """Change roles and area."""
    found = service.seen(session(), actor=current_actor(), account_id=account_id)
    form = EditAccountForm(data={"roles": found.roles, "division_code": found.division_code})
    return flask.render_template("accounts/edit.html", form=form, account=found, areas=_areas())


@blueprint.post("/accounts/<int:account_id>/edit")
@requires(Permission.ACCOUNTS_MANAGE)
def account_change(account_id: int) -> tuple[str, int] | Response:
    """Save the change."""
    actor = current_actor()
    form = EditAccountForm()
    if form.validate():
        try:
            service.edit(
                session(), actor=actor, account_id=account_id, roles=form.chosen_roles(),
                division_code=form.division_code.data or "",
            )  # fmt: skip
            service.change_contact(
                session(), actor=actor, account_id=account_id, name=form.name.data, phone=form.phone.data
            )
            flash_done(_("The account is changed. It holds from the next click on."))
            return flask.redirect(flask.url_for("accounts.account", account_id=account_id), 303)
        except (Conflict, Invalid, NotFound) as error:  # what is forbidden goes to the journal
            flask.g.refused = True
            form.refuse(error)
    found = service.seen(session(), actor=actor, account_id=account_id)
    return flask.render_template("accounts/edit.html", form=form, account=found, areas=_areas()), 422


@blueprint.post("/accounts/<int:account_id>/link")
@requires(Permission.ACCOUNTS_MANAGE)
def account_link(account_id: int) -> str:
    """A new one-time link, shown once."""
    found = service.seen(session(), actor=current_actor(), account_id=account_id)
    url = service.make_link(session(), actor=current_actor(), account=found)
    return _link_page(found.username, url, found.id)


@blueprint.post("/accounts/<int:account_id>/second-factor")
@requires(Permission.ACCOUNTS_MANAGE)
def account_factor(account_id: int) -> Response:
    """Take a lost second factor off."""
    service.reset_second_factor(session(), actor=current_actor(), account_id=account_id)
    flash_done(_("The second factor is off and the sessions have ended. Give a new link to its owner."))
    return flask.redirect(flask.url_for("accounts.account", account_id=account_id), 303)


@blueprint.post("/accounts/<int:account_id>/close")
@requires(Permission.ACCOUNTS_MANAGE)
def account_close(account_id: int) -> Response:
    """Close the account of a person who leaves."""
    leaver = service.close(
        session(), actor=current_actor(), account_id=account_id, reason=flask.request.form.get("reason")
    )
    flash_done(
        _(
            "The account is closed; nothing opens it any more. Posts that need another person: %(posts)s, "
            "shifts: %(shifts)s.",
            posts=leaver.posts,
            shifts=leaver.shifts,
        )
    )
    return flask.redirect(flask.url_for("accounts.account", account_id=account_id), 303)


@blueprint.post("/accounts/<int:account_id>/sessions/<int:sign_in_id>/end")
@requires(Permission.ACCOUNTS_MANAGE)
def account_session_end(account_id: int, sign_in_id: int) -> Response:
    """End somebody's session."""
    sessions.end(session(), actor=current_actor(), sign_in_id=sign_in_id)
    flash_done(_("The session has ended."))
    return flask.redirect(flask.url_for("accounts.account", account_id=account_id), 303)


@blueprint.post("/accounts/<int:account_id>/tokens/<int:token_id>/revoke")
@requires(Permission.ACCOUNTS_MANAGE)
def account_token_revoke(account_id: int, token_id: int) -> Response:
    """End somebody's token."""
    service.revoke_token(session(), actor=current_actor(), token_id=token_id)
    flash_done(_("The token is revoked."))
    return flask.redirect(flask.url_for("accounts.account", account_id=account_id), 303)


@blueprint.get("/accounts/let-in")
@requires(Permission.WARNINGS_APPROVE)
def let_in() -> str:
    """Duty officers who may need a link now."""
    found = service.duty_officers(session(), actor=current_actor())
    return flask.render_template("accounts/let_in.html", officers=found)


@blueprint.post("/accounts/let-in/<int:account_id>")
@requires(Permission.WARNINGS_APPROVE)
def let_in_link(account_id: int) -> str:
    """A one-time link for a duty officer, shown once."""
    url = service.make_entry_link(session(), actor=current_actor(), account_id=account_id)
    return _link_page(service.get(session(), account_id).username, url)
