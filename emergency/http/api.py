"""What a room's `api.py` is made of: blueprint, schemas, list envelope, `idempotent`.

    blueprint = Blueprint("api_warnings", __name__, url_prefix="/api/v1/warnings", description="Warnings")

    @blueprint.route("")
    class Warnings(MethodView):
        @requires(Permission.WARNINGS_VIEW)
        @blueprint.arguments(CursorArgs, location="query")
        @blueprint.response(200, page_of(WarningOut))
        def get(self, args): return service.list_warnings(session(), actor=current_actor(), **args)

        @requires(Permission.WARNINGS_DRAFT)
        @idempotent
        @blueprint.arguments(WarningIn)
        @blueprint.response(201, WarningOut)
        def post(self, data): return service.draft(session(), actor=current_actor(), **data)

The order matters: who may not act learns nothing of the body's faults, so `@requires` stands on top.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import flask
import flask_smorest
import marshmallow as ma
from flask.views import MethodView
from webargs import core
from webargs.flaskparser import FlaskParser

from emergency.http import idempotency, intake
from emergency.http.paging import MAX_PAGE_SIZE, PAGE_SIZE, Page
from emergency.http.request import current_actor, session
from kernel.errors import N_, Invalid

__all__ = [
    "Blueprint", "CursorArgs", "EnumValue", "MethodView", "Moment", "Page", "Schema", "fields", "idempotent", "page_of",
]  # fmt: skip

fields = ma.fields
HEADER = "Idempotency-Key"
IDEMPOTENCY_PARAMETER = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "description": "Repeat a request safely: the same key with the same body gets the first answer again (24 hours).",
    "schema": {"type": "string", "minLength": 1, "maxLength": idempotency.MAX_KEY},
}


class Schema(ma.Schema):
    """The base of all JSON shapes: fields in the order written, unknown fields refused by name."""

    class Meta:
        unknown = ma.RAISE


class Moment(ma.fields.AwareDateTime):
    """A moment with its offset (RFC 3339); a time without a zone is refused, never guessed."""

    def __init__(self, **kwargs: Any):
        super().__init__(format="iso", default_timezone=None, **kwargs)


class EnumValue(ma.fields.Enum):
    """An enum by its stored value (`duty-officer`), never by its Python name."""

    def __init__(self, members: type[enum.Enum], **kwargs: Any):
        super().__init__(members, by_value=True, **kwargs)


class CursorArgs(Schema):
    """The query of every list: where to go on, and how many at once."""

    class Meta:
        unknown = ma.EXCLUDE

    cursor = ma.fields.String(load_default=None, metadata={"description": "next_cursor of the page before"})
    limit = ma.fields.Integer(
        load_default=PAGE_SIZE,
        validate=ma.validate.Range(1, MAX_PAGE_SIZE),
        metadata={"description": f"items a page, at most {MAX_PAGE_SIZE}"},
    )


@functools.cache
def page_of(item: type[ma.Schema]) -> type[Schema]:
    """The list envelope `{"items": […], "next_cursor": …}` around `item`; dump a `paging.Page` with it."""
    name = f"{item.__name__.removesuffix('Schema')}Page"
    body: dict[str, Any] = {
        "__module__": item.__module__,
        "items": ma.fields.List(ma.fields.Nested(item), required=True),
        "next_cursor": ma.fields.String(
            required=True, allow_none=True, metadata={"description": "null on the last page"}
        ),
    }
    envelope: type[Schema] = type(Schema)(name, (Schema,), body)  # type: ignore[misc]
    return envelope


class Parser(FlaskParser):
    """webargs' parser with our own reading of a body."""

    def _raw_load_json(self, req: flask.Request) -> Any:
        return intake.read_json(req) if req.get_data(cache=True) else core.missing


class Blueprint(flask_smorest.Blueprint):
    """A smorest blueprint. Name it `api_<room>`, mount it at `/api/v1/<noun>`."""

    ARGUMENTS_PARSER = Parser()


def idempotent(view: Callable[..., Any]) -> Callable[..., Any]:
    """Honour `Idempotency-Key` on a POST that sends or moves something. Put it right under `@requires`.

    The same key with the same body by the same actor gets the stored answer again for 24 hours
    (`Idempotency-Replayed: true`); with another body it is 422 `idempotency_mismatch`. Key and effect are one
    transaction, so of two at once one wins and the other gets its answer, and a refused request leaves no trace.
    """
    if getattr(view, "__own_transaction__", False):
        raise TypeError("idempotent needs the request's own unit of work; it cannot serve an own_transaction view")

    @functools.wraps(view)
    def once(*args: Any, **kwargs: Any) -> Any:
        raw = flask.request.headers.get(HEADER)
        if raw is None:
            return view(*args, **kwargs)
        key = raw.strip()
        if not 1 <= len(key) <= idempotency.MAX_KEY:
            raise Invalid(
                N_("The header Idempotency-Key takes 1 to %(n)s characters."),
                code="idempotency_key_invalid",
                n=idempotency.MAX_KEY,
            )
        claim = idempotency.claim(session(), str(current_actor()), key, _fingerprint())
        if claim.answer is not None:
            return _replay(claim.answer)
        response = flask.make_response(view(*args, **kwargs))
        if response.status_code < 400:
            idempotency.keep(session(), claim, _answer(response))
        else:
            idempotency.forget(session(), claim)
        return response

    once._apidoc = deepcopy(getattr(view, "_apidoc", {}))  # type: ignore[attr-defined]
    arguments = once._apidoc.setdefault("arguments", {})  # type: ignore[attr-defined]
    arguments.setdefault("parameters", []).append(dict(IDEMPOTENCY_PARAMETER))
    arguments.setdefault("responses", {})
    once.__idempotent__ = True  # type: ignore[attr-defined]
    return once


def _fingerprint() -> str:
    request = flask.request
    body = request.get_data(cache=True)
    return "\x1f".join((request.method, request.full_path, body.decode("utf-8", "surrogateescape")))


def _answer(response: flask.Response) -> dict[str, Any]:
    return {
        "status": response.status_code,
        "type": response.content_type,
        "location": response.headers.get("Location"),
        "body": response.get_data(as_text=True),
    }


def _replay(answer: Mapping[str, Any]) -> flask.Response:
    response = flask.Response(answer["body"], status=answer["status"], content_type=answer["type"])
    if answer.get("location"):
        response.headers["Location"] = answer["location"]
    response.headers["Idempotency-Replayed"] = "true"
    return response
