"""The rules of accounts, pure: names, roles that exclude each other, passwords, waiting after failures, states."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from emergency.http.permissions import Role
from emergency.people.accounts.common import COMMON
from emergency.people.accounts.models import AccountState
from kernel.errors import N_, Invalid

TRANSITIONS = {
    AccountState.INVITED: frozenset({AccountState.ACTIVE, AccountState.CLOSED}),
    AccountState.ACTIVE: frozenset({AccountState.CLOSED}),
    AccountState.CLOSED: frozenset[AccountState](),
}
"""Closed is final: the name stays with the records of the person who had it; whoever comes back gets a new one."""

ALONE = frozenset({Role.ADMINISTRATOR, Role.AUDITOR})
"""Who keeps the accounts, and who reads the journal, does nothing else (GB/T 22239-2019 8.1.4.2, 8.1.5.2)."""

_USERNAME = re.compile(r"[a-z][a-z0-9._-]{1,31}")
LONGEST_PASSWORD = 128
ONE_MINUTE = timedelta(minutes=1)
SEEN_EVERY = timedelta(minutes=1)
CODE_STEP_SECONDS = 30
PENDING_SECONDS = 300
"""How long after the password the code of the second factor may follow."""


def clean_username(text: str) -> str:
    """The normal form of a user name, or 422. Latin letters first: neither a person's name nor a telephone number."""
    name = unicodedata.normalize("NFKC", text).strip().lower()
    if not _USERNAME.fullmatch(name):
        message = N_(
            "A user name begins with a Latin letter and has 2 to 32 of: letters, digits, point, dash, underline."
        )
        raise Invalid(message, code="username", fields={"username": message})
    return name


def seek_username(text: str) -> str:
    """What somebody typed at the door, brought to the form in which names are kept."""
    return unicodedata.normalize("NFKC", text).strip().lower()[:64]


def clean_roles(roles: Iterable[Role]) -> list[str]:
    """The roles as they are stored, or 422 where they must not meet in one account."""
    chosen = frozenset(roles)
    if not chosen:
        message = N_("Choose at least one role.")
        raise Invalid(message, code="roles", fields={"roles": message})
    if len(chosen) > 1 and chosen & ALONE:
        message = N_("Administrator and auditor stand alone: give the other role to another account.")
        raise Invalid(message, code="roles_exclude", fields={"roles": message})
    return sorted(role.value for role in chosen)


def normal_password(password: str) -> str:
    """One form for every keyboard and input method."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, *, username: str, least: int) -> None:
    """Refuse what is short, is the user name, or is tried first by everybody. Nothing about kinds of characters."""
    plain = normal_password(password)
    folded = plain.casefold()
    if len(plain) < least:
        _refuse(N_("The password needs at least %(n)s characters. A short sentence is easy to remember."), n=least)
    if len(plain) > LONGEST_PASSWORD:
        _refuse(N_("The password is longer than %(n)s characters."), n=LONGEST_PASSWORD)
    rest = folded.replace(username.casefold(), "")
    if len(rest) < min(least, 5) and rest != folded:
        _refuse(N_("The password must not be made of the user name."))
    if folded in COMMON or _is_row(folded):
        _refuse(N_("This password is one of the first that anybody would try. Choose another."))


def _refuse(message: str, **params: int) -> None:
    raise Invalid(message, code="password", fields=None, **params)


def _is_row(text: str) -> bool:
    """`aaaaaaaaaaaa`, `123456789012`, `abababababab`: no more than two steps between neighbours or three characters."""
    steps = {(ord(b) - ord(a)) for a, b in itertools.pairwise(text)}
    return len(set(text)) <= 3 or steps <= {1, -9} or steps <= {-1, 9}


@dataclass(frozen=True)
class Patience:
    """How many failures are free, and how long to wait after each further one: doubling up to `longest`."""

    free: int
    longest: timedelta
    forget: timedelta = timedelta(hours=24)
    first: timedelta = ONE_MINUTE

    def wait(self, failures: int) -> timedelta:
        """How long after this many failures nobody from there may try."""
        if failures < self.free:
            return timedelta(0)
        doubled: timedelta = self.first * (1 << min(failures - self.free, 20))
        return min(doubled, self.longest)

    def count(self, failures: int, last_at: datetime, now: datetime) -> int:
        """The number with one more failure; old ones are forgotten."""
        return 1 if now - last_at > self.forget else failures + 1
