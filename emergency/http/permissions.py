"""Who may do what: eight roles, one table of permissions, one decorator on every route.

Duties are kept apart (GB/T 22239-2019 8.1.4.2 separation of administrative roles; 突发事件应对法 art. 64 approval):
the administrator keeps accounts and settings but neither writes nor approves a warning; the auditor reads the
journal and nothing else may write to it. Approval additionally demands another person than the author, which the
services check.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from typing import Any, TypeVar

from kernel.types import LabelledEnum

View = TypeVar("View", bound=Callable[..., Any])


class Role(LabelledEnum):
    """The eight roles of an account."""

    ADMINISTRATOR = "administrator", "系统管理员", "Administrator"
    DUTY_OFFICER = "duty-officer", "值班员", "Duty officer"
    APPROVER = "approver", "批准人", "Approver"
    PLANNER = "planner", "预案员", "Planner"
    LIAISON = "liaison", "联络员", "Liaison"
    VILLAGE_OFFICER = "village-officer", "村级信息员", "Village officer"
    STOREKEEPER = "storekeeper", "物资保管员", "Storekeeper"
    AUDITOR = "auditor", "审计员", "Auditor"


class Permission(enum.StrEnum):
    """One thing that an account may be allowed to do."""

    SIGNED_IN = "signed_in"  # any account that is signed in
    WORKBENCH = "workbench"
    ACCOUNTS_MANAGE = "accounts.manage"
    SYSTEM_VIEW = "system.view"
    DIVISIONS_VIEW = "divisions.view"
    DIVISIONS_EDIT = "divisions.edit"
    UNITS_VIEW = "units.view"
    UNITS_EDIT = "units.edit"
    POSTS_VIEW = "posts.view"
    POSTS_EDIT = "posts.edit"
    ROSTER_VIEW = "roster.view"
    ROSTER_EDIT = "roster.edit"
    RESIDENTS_VIEW = "residents.view"
    RESIDENTS_EDIT = "residents.edit"
    RESIDENTS_IMPORT = "residents.import"
    PERSONAL_REVEAL = "personal.reveal"
    PERSONAL_EXPORT = "personal.export"
    PLANS_VIEW = "plans.view"
    PLANS_EDIT = "plans.edit"
    PLANS_APPROVE = "plans.approve"
    PLANS_ACTIVATE = "plans.activate"
    PLANS_DECIDE = "plans.decide"
    PLANS_ACT = "plans.act"
    SUPPLIES_VIEW = "supplies.view"
    SUPPLIES_EDIT = "supplies.edit"
    SUPPLIES_APPROVE = "supplies.approve"
    DRILLS_VIEW = "drills.view"
    DRILLS_EDIT = "drills.edit"
    DRILLS_CONFIRM = "drills.confirm"
    QUESTIONS_VIEW = "questions.view"
    QUESTIONS_ANSWER = "questions.answer"
    WARNINGS_VIEW = "warnings.view"
    WARNINGS_DRAFT = "warnings.draft"
    WARNINGS_APPROVE = "warnings.approve"
    WARNINGS_BREAK_GLASS = "warnings.break_glass"
    ACKNOWLEDGE = "warnings.acknowledge"
    DELIVERY_VIEW = "delivery.view"
    DELIVERY_SETTLE = "delivery.settle"
    READINESS_VIEW = "readiness.view"
    READINESS_MUTE = "readiness.mute"
    JOURNAL_VIEW = "journal.view"
    JOURNAL_EXPORT = "journal.export"
    TOKENS_OWN = "tokens.own"


P = Permission
_VIEW_ALL = frozenset(
    {
        P.SIGNED_IN, P.WORKBENCH, P.DIVISIONS_VIEW, P.UNITS_VIEW, P.POSTS_VIEW, P.ROSTER_VIEW, P.PLANS_VIEW,
        P.SUPPLIES_VIEW, P.DRILLS_VIEW, P.QUESTIONS_VIEW, P.WARNINGS_VIEW, P.READINESS_VIEW, P.TOKENS_OWN,
    }
)  # fmt: skip

GRANTS: dict[Role, frozenset[Permission]] = {
    Role.ADMINISTRATOR: _VIEW_ALL
    | {P.ACCOUNTS_MANAGE, P.SYSTEM_VIEW, P.DIVISIONS_EDIT, P.UNITS_EDIT, P.DELIVERY_VIEW},
    Role.DUTY_OFFICER: _VIEW_ALL
    | {
        P.SYSTEM_VIEW, P.WARNINGS_DRAFT, P.ACKNOWLEDGE, P.RESIDENTS_VIEW, P.RESIDENTS_EDIT, P.RESIDENTS_IMPORT,
        P.PERSONAL_REVEAL, P.PERSONAL_EXPORT, P.POSTS_EDIT, P.ROSTER_EDIT, P.UNITS_EDIT, P.QUESTIONS_ANSWER,
        P.DELIVERY_VIEW, P.DELIVERY_SETTLE, P.DRILLS_CONFIRM, P.READINESS_MUTE, P.PLANS_ACTIVATE, P.PLANS_ACT,
    },
    Role.APPROVER: _VIEW_ALL
    | {
        P.WARNINGS_APPROVE, P.WARNINGS_DRAFT, P.WARNINGS_BREAK_GLASS, P.PLANS_APPROVE, P.SUPPLIES_APPROVE,
        P.RESIDENTS_VIEW, P.PERSONAL_REVEAL, P.DELIVERY_VIEW, P.DELIVERY_SETTLE, P.READINESS_MUTE, P.ROSTER_EDIT,
        P.ACKNOWLEDGE, P.PLANS_ACTIVATE, P.PLANS_DECIDE, P.PLANS_ACT,
    },
    Role.PLANNER: _VIEW_ALL
    | {
        P.PLANS_EDIT, P.DRILLS_EDIT, P.DRILLS_CONFIRM, P.UNITS_EDIT, P.POSTS_EDIT, P.READINESS_MUTE, P.SUPPLIES_EDIT,
        P.QUESTIONS_ANSWER, P.PERSONAL_REVEAL, P.PLANS_ACTIVATE, P.PLANS_ACT,
    },
    Role.LIAISON: _VIEW_ALL
    | {
        P.DRILLS_CONFIRM, P.QUESTIONS_ANSWER, P.ACKNOWLEDGE, P.RESIDENTS_VIEW, P.RESIDENTS_EDIT, P.RESIDENTS_IMPORT,
        P.PERSONAL_REVEAL, P.POSTS_EDIT, P.WARNINGS_DRAFT, P.PLANS_ACTIVATE, P.PLANS_ACT,
    },
    Role.VILLAGE_OFFICER: _VIEW_ALL
    | {P.ACKNOWLEDGE, P.QUESTIONS_ANSWER, P.RESIDENTS_VIEW, P.RESIDENTS_EDIT, P.PERSONAL_REVEAL, P.DRILLS_CONFIRM,
       P.PLANS_ACT},
    Role.STOREKEEPER: frozenset(
        {P.SIGNED_IN, P.WORKBENCH, P.DIVISIONS_VIEW, P.UNITS_VIEW, P.SUPPLIES_VIEW, P.SUPPLIES_EDIT, P.DRILLS_VIEW,
         P.PLANS_VIEW, P.WARNINGS_VIEW, P.QUESTIONS_VIEW, P.QUESTIONS_ANSWER, P.READINESS_VIEW, P.TOKENS_OWN}
    ),
    Role.AUDITOR: frozenset(
        {P.SIGNED_IN, P.WORKBENCH, P.DIVISIONS_VIEW, P.WARNINGS_VIEW, P.DELIVERY_VIEW, P.JOURNAL_VIEW,
         P.JOURNAL_EXPORT, P.READINESS_VIEW, P.SYSTEM_VIEW, P.TOKENS_OWN}
    ),
}  # fmt: skip


def permissions_of(roles: frozenset[Role]) -> frozenset[Permission]:
    """Everything that any of the roles grants."""
    return frozenset().union(*(GRANTS[role] for role in roles)) if roles else frozenset()


def requires(permission: Permission) -> Callable[[View], View]:
    """The route is for signed-in accounts (or API tokens) that hold `permission`."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            from emergency.http.request import current_actor

            current_actor().require(permission)
            return view(*args, **kwargs)

        checked.__permission__ = permission  # type: ignore[attr-defined]
        return checked  # type: ignore[return-value]

    return decorate


def public(reason: str) -> Callable[[View], View]:
    """The route is open to everybody; `reason` says why that is right. The list is short and tested."""

    def decorate(view: View) -> View:
        view.__permission__ = f"public: {reason}"  # type: ignore[attr-defined]
        return view

    return decorate
