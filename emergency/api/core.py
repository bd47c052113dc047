"""One smorest Api over the rooms' blueprints: OpenAPI 3, Bearer tokens, RFC 9457 problems."""

from __future__ import annotations

import http
from collections.abc import Iterable
from typing import Any

import flask
import flask_smorest
from apispec.ext.marshmallow import MarshmallowPlugin
from flask_smorest.utils import prepare_response
from marshmallow import Schema as AnySchema

from emergency.http.api import Blueprint, CursorArgs, Schema, fields, idempotent, page_of
from emergency.http.errors import PROBLEM
from emergency.http.permissions import public

__all__ = ["Blueprint", "CursorArgs", "Problem", "idempotent", "page_of", "register"]

PREFIX = "/api/v1"
VERSION = "1.0.0"
DESCRIPTION = (
    "District emergency preparedness. Every request carries `Authorization: Bearer <token>`; a token acts as its "
    "account, within that account's roles and area. Lists come in pages: pass `next_cursor` as `cursor`. Refusals are "
    "problem documents with a stable `code`."
)


class FieldError(Schema):
    """One field that was not accepted."""

    field = fields.String(required=True, metadata={"description": "path of the field, such as area.polygons.0"})
    message = fields.String(required=True)


class Problem(Schema):
    """A refusal (RFC 9457)."""

    type = fields.String(required=True, metadata={"format": "uri", "example": "urn:emergency:problem:version_conflict"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata={"description": "for people, in the language asked for"})
    code = fields.String(required=True, metadata={"description": "stable; programmes decide by this"})
    instance = fields.String(required=True)
    request_id = fields.String(required=True)
    errors = fields.List(fields.Nested(FieldError), required=True)


def schema_name(schema: Any) -> str | None:
    """`warnings.WarningOut`: named by room, so that two rooms may use one word; variations are written in place."""
    if isinstance(schema, AnySchema):
        if schema.only is not None or schema.exclude or schema.partial:
            return None
        schema = type(schema)
    if not isinstance(schema, type):
        return None
    room = [part for part in schema.__module__.split(".") if part not in ("emergency", "people", "http", "api", "core")]
    return ".".join([*room[:1], schema.__name__])


class Api(flask_smorest.Api):
    """smorest without its own error pages: the edge answers, and the document says so."""

    ERROR_SCHEMA = Problem

    def _register_error_handlers(self) -> None:
        """`emergency.http.errors` has them all."""

    def _register_responses(self) -> None:
        for status in http.HTTPStatus:
            response: dict[str, Any] = {"description": status.phrase}
            if status >= 400:
                response["schema"] = Problem
            prepare_response(response, self.spec, PROBLEM)
            self.spec.components.response(status.name, response, lazy=True)
        response = {"description": "Refused: a problem document", "schema": Problem}
        prepare_response(response, self.spec, PROBLEM)
        self.spec.components.response("DEFAULT_ERROR", response, lazy=True)


def register(app: flask.Flask, blueprints: Iterable[Any]) -> Api:
    """Mount the rooms' blueprints and serve the document at /api/v1/openapi.json."""
    app.config.setdefault("API_TITLE", "District emergency preparedness")
    app.config.setdefault("API_VERSION", VERSION)
    app.config.setdefault("OPENAPI_VERSION", "3.0.3")
    app.config.setdefault("OPENAPI_URL_PREFIX", PREFIX)
    app.config.setdefault("OPENAPI_JSON_PATH", "openapi.json")
    api = Api(
        app,
        spec_kwargs={
            "marshmallow_plugin": MarshmallowPlugin(schema_name_resolver=schema_name),  # type: ignore[arg-type]  # None: in place
            "info": {"description": DESCRIPTION},
            "security": [{"bearer": []}],
        },
    )
    api.spec.components.security_scheme(
        "bearer", {"type": "http", "scheme": "bearer", "description": "`emergency tokens create`, or My account"}
    )
    document = "api-docs.openapi_json"

    @public("the description of the interface holds no data")
    def openapi_json() -> Any:
        return api._openapi_json()

    app.view_functions[document] = openapi_json
    for blueprint in blueprints:
        api.register_blueprint(blueprint)
    return api
