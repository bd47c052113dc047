"""Accounts in JSON: who the token is, and the administrator's list."""

from __future__ import annotations

from typing import Any

from emergency.http.actor import Actor
from emergency.http.api import Blueprint, CursorArgs, EnumValue, MethodView, Moment, Page, Schema, fields, page_of
from emergency.http.permissions import Permission, Role, requires
from emergency.http.request import current_actor, session
from emergency.people.accounts import service
from emergency.people.accounts.models import AccountState

blueprint = Blueprint("api_accounts", __name__, url_prefix="/api/v1/accounts", description="Accounts")


class MeOut(Schema):
    """The account behind the token."""

    id = fields.Integer(required=True)
    username = fields.String(required=True)
    roles = fields.List(EnumValue(Role), required=True)
    division_code = fields.String(required=True)
    permissions = fields.List(fields.String(), required=True)


class AccountOut(Schema):
    """One account; name and number masked."""

    id = fields.Integer(required=True)
    username = fields.String(required=True)
    name = fields.String(required=True)
    phone = fields.String(required=True)
    roles = fields.List(EnumValue(Role), required=True)
    area = fields.String(required=True)
    state = EnumValue(AccountState, required=True)
    has_second_factor = fields.Boolean(required=True)
    last_signed_in_at = Moment(allow_none=True)


class AccountArgs(CursorArgs):
    """What to list."""

    role = EnumValue(Role, load_default=None)
    state = EnumValue(AccountState, load_default=None)
    q = fields.String(load_default=None, metadata={"description": "part of the user name"})


@blueprint.route("/me")
class Me(MethodView):
    """The token's own account."""

    @requires(Permission.SIGNED_IN)
    @blueprint.response(200, MeOut)
    def get(self) -> dict[str, Any]:
        """Who am I, and what may I do"""
        actor: Actor = current_actor()
        account = service.get(session(), actor.id)
        return {
            "id": account.id,
            "username": account.username,
            "roles": [role for role in Role if role in account.role_set],
            "division_code": account.division_code,
            "permissions": sorted(permission.value for permission in actor.granted),
        }


@blueprint.route("")
class Accounts(MethodView):
    """The accounts of the area."""

    @requires(Permission.ACCOUNTS_MANAGE)
    @blueprint.arguments(AccountArgs, location="query")
    @blueprint.response(200, page_of(AccountOut))
    def get(self, args: dict[str, Any]) -> Page[Any]:
        """List accounts"""
        page = service.list_accounts(session(), actor=current_actor(), **args)
        return Page(service.rows(session(), actor=current_actor(), accounts=page.items), page.next_cursor)
