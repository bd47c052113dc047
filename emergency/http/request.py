"""One unit of work a request, owned by the edge.

GET and HEAD read; everything else writes. The session opens when first asked for. At the end of a request that went
well the writer commits; a reader whose work produced journal entries (somebody saw personal data) appends them in a
short transaction of its own BEFORE the response leaves: no entry, no data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import flask
from sqlalchemy.orm import Session

from emergency.http import intake
from emergency.http.actor import NOBODY, Actor
from kernel.db import Database

if TYPE_CHECKING:
    from emergency.config import Config

View = TypeVar("View", bound=Callable[..., Any])
PENDING_JOURNAL = "journal_pending"
SHOWN = frozenset({"personal.listed", "personal.searched"})
"""Kinds of entries that say that somebody saw personal data: they stand also where nothing else of the work is kept."""


def database() -> Database:
    """The application's database."""
    return flask.current_app.extensions["emergency.database"]  # type: ignore[no-any-return]


def config() -> Config:
    """The application's configuration."""
    return flask.current_app.extensions["emergency.config"]  # type: ignore[no-any-return]


def session() -> Session:
    """The request's session: read-only for GET and HEAD, writing otherwise."""
    current: Session | None = flask.g.get("db_session")
    if current is None:
        writer = flask.request.method not in ("GET", "HEAD", "OPTIONS")
        current = flask.g.db_session = database().open_session(writer=writer)
    return current


def current_actor() -> Actor:
    """Who is asking: set by the sign-in loader or by the API's token."""
    actor: Actor = flask.g.get("actor", NOBODY)
    return actor


def next_unit() -> None:
    """Commit what was done so far; what follows in this request is a unit of work of its own."""
    current: Session | None = flask.g.pop("db_session", None)
    if current is not None:
        database().finish(current)


def own_transaction(view: View) -> View:
    """The view opens its own units of work (password hashing, uploads): the request must not hold the writer."""
    view.__own_transaction__ = True  # type: ignore[attr-defined]
    return view


def install(app: flask.Flask) -> None:
    """Give the app the unit of work, and hold what comes in to what it can carry."""
    intake.install(app)
    app.after_request(_finish)
    app.teardown_request(_abandon)


def _finish(response: flask.Response) -> flask.Response:
    current: Session | None = flask.g.pop("db_session", None)
    if current is None:
        return response
    db = database()
    if flask.g.get("refused"):
        # a form that was sent back unaccepted still shows the record that it is about
        shown = [entry for entry in current.info.pop(PENDING_JOURNAL, ()) if entry.kind in SHOWN]
        db.abandon(current)
        _journal(db, shown)
    elif current.info["writer"]:
        db.finish(current)
    else:
        pending = current.info.get(PENDING_JOURNAL)
        db.abandon(current)
        _journal(db, pending)
    return response


def _journal(db: Database, pending: Any) -> None:
    if pending:
        with db.write() as writer:
            writer.info[PENDING_JOURNAL] = pending


def _abandon(_error: BaseException | None) -> None:
    current: Session | None = flask.g.pop("db_session", None)
    if current is not None:
        database().abandon(current)
