"""Errors that people read.

A `DomainError` says what was wrong, what was kept and what to do. Its text is an English message id with
named parameters; the edge (page, JSON, command) translates it and formats it in the reader's language. The
`code` is stable: acceptance, the JSON surface and tests depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def N_(message: str) -> str:
    """Mark a message for translation without translating it here."""
    return message


class DomainError(Exception):
    """A rule refused what was asked. Nothing of the unit of work is kept unless the text says so."""

    code = "refused"
    status = 409

    def __init__(
        self, message: str, *, code: str | None = None, fields: Mapping[str, str] | None = None, **params: Any
    ):
        super().__init__(message)
        self.message = message
        self.params = params
        self.fields = dict(fields or {})
        if code is not None:
            self.code = code

    def text(self, translate: Callable[[str], str] = lambda message: message) -> str:
        """The sentence for people, through `translate` (a gettext)."""
        template = translate(self.message)
        return template % self.params if self.params else template

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:  # else what shows an error for a programmer shows the sentence with its gaps open
        return f"{type(self).__name__}({self.text()!r})"


class NotFound(DomainError):
    """The record does not exist, or lies outside what the actor may see."""

    code = "not_found"
    status = 404


class Unauthenticated(DomainError):
    """Nobody is signed in, or the token is not valid."""

    code = "unauthenticated"
    status = 401


class Forbidden(DomainError):
    """The actor may not do this. Journalled in a transaction of its own by the edge."""

    code = "forbidden"
    status = 403


class Conflict(DomainError):
    """The record has moved on since it was read."""

    code = "version_conflict"
    status = 409


class Invalid(DomainError):
    """The input cannot be accepted; `fields` says which field and why."""

    code = "invalid"
    status = 422


class TooMany(DomainError):
    """Too many attempts or too large a request; try again later or with less."""

    code = "too_many"
    status = 429


class Unavailable(DomainError):
    """Something that is needed is not there now; trying again later may succeed."""

    code = "unavailable"
    status = 503
