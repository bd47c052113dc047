"""What every request is held to before a room sees it: addresses that stay with us, numbers that a row can have,
text that a database can hold. Whatever else slips through is a refusal in words as well (`emergency.http.errors`)."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

import flask
from webargs.flaskparser import is_json_request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType
from werkzeug.routing import IntegerConverter, Map

MOST = 2**63 - 1
DEEPEST = 60
_UNFIT = re.compile("[\x00\ud800-\udfff]")
_BLANK = re.compile(r"[\x00-\x1f\x7f]")


class RowNumber(IntegerConverter):
    """A row's number in an address; one that no row can have is not found."""

    regex = r"\d{1,19}"

    def __init__(self, map: Map, *args: Any, **kwargs: Any):
        super().__init__(map, *args, **{"max": MOST, **kwargs})


def fits(value: Any) -> bool:
    """Whether a database can hold this number or text (PostgreSQL knows no NUL, and neither knows half a character)."""
    if isinstance(value, str):
        return _UNFIT.search(value) is None
    return not isinstance(value, int) or -MOST <= value <= MOST


def inside(target: str | None) -> str:
    """`target` if it is an address of ours, otherwise the workbench: no link may lead through us to elsewhere.

    Browsers drop tabs and line ends and read a backslash as a slash, so that `/\\t/elsewhere` would be one.
    """
    if not target or not target.startswith("/") or target.startswith("//"):
        return "/"
    if "\\" in target or _BLANK.search(target):
        return "/"
    parts = urlsplit(target)
    return "/" if parts.netloc or parts.scheme else target


def install(app: flask.Flask) -> None:
    """Hold every request of the app to it; before the blueprints are registered."""
    app.url_map.converters["int"] = RowNumber
    app.before_request(_look)


def _look() -> None:
    request = flask.request
    texts = [request.path, *request.args.keys(), *(v for values in request.args.listvalues() for v in values)]
    if request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data"):
        texts += [*request.form.keys(), *(v for values in request.form.listvalues() for v in values)]
    if not all(map(fits, texts)):
        raise BadRequest


def read_json(request: flask.Request) -> Any:
    """The body of a programme's request; 400 for what is no JSON of ours, 415 for another kind of content."""
    raw = request.get_data(cache=True)
    if raw and not is_json_request(request):
        raise UnsupportedMediaType
    try:
        body = json.loads(raw, parse_constant=_no_number)
        if not _sound(body):
            raise BadRequest
    except (ValueError, RecursionError) as error:
        raise BadRequest from error
    return body


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _sound(body: Any) -> bool:
    """Whether all of it fits, and is no deeper than anything that we read. Without recursion."""
    level = [body]
    for _depth in range(DEEPEST):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += [*value.keys(), *value.values()]
            elif isinstance(value, list):
                below += value
            elif not fits(value):
                return False
        if not below:
            return True
        level = below
    return False
