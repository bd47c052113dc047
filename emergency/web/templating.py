"""What templates may call: addresses of assets, the address of the present view, choices, the text on a phone."""

from __future__ import annotations

import enum
import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import flask
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup, escape

from emergency.http.i18n import gettext, language
from emergency.web.filters import label

STATIC = Path(__file__).parent / "static"
_MARK = re.compile(r"【演练】")


@lru_cache(maxsize=256)
def _digest(name: str, _modified: int) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def asset(name: str) -> str:
    """The address of a file of ours, with its digest, so that browsers may keep it for ever."""
    version = _digest(name, (STATIC / name).stat().st_mtime_ns)
    return flask.url_for("web.static", filename=name, v=version)


def csp_nonce() -> str:
    """The one value that lets a `<style nonce>` or `<script nonce>` of this response run."""
    nonce: str | None = flask.g.get("csp_nonce")
    if nonce is None:
        nonce = flask.g.csp_nonce = secrets.token_urlsafe(16)
    return nonce


def csrf_value() -> str:
    """The token that every POST carries; empty where the app has no CSRF protection (tests)."""
    return generate_csrf() if flask.has_request_context() and flask.current_app.secret_key else ""


def here() -> str:
    """The path and query of this page, to come back to."""
    if not flask.has_request_context() or flask.request.method != "GET":
        return "/"
    return flask.request.full_path.rstrip("?")


def with_args(**changes: Any) -> str:
    """This view's address with some of its query changed; None removes."""
    args: dict[str, Any] = flask.request.args.to_dict(flat=False)
    for name, value in changes.items():
        if value is None:
            args.pop(name, None)
        else:
            args[name] = [value]
    query = urlencode(args, doseq=True)
    return f"{flask.request.path}?{query}" if query else flask.request.path


def choices(options: Any) -> list[tuple[str, Any]]:
    """Pairs of value and label from an enum, a mapping, or pairs."""
    if isinstance(options, type) and issubclass(options, enum.Enum):
        return [(str(option.value), label(option)) for option in options]
    if isinstance(options, Mapping):
        return [(str(value), text) for value, text in options.items()]
    pairs = []
    for option in options or ():
        if isinstance(option, enum.Enum):
            pairs.append((str(option.value), label(option)))
        elif isinstance(option, (tuple, list)):
            pairs.append((str(option[0]), option[1]))
        else:
            pairs.append((str(option), label(option)))
    return pairs


def reveal_purposes() -> list[tuple[str, str]]:
    """The purposes for which a masked value may be revealed."""
    from emergency.privacy import journal

    return choices(journal.Purpose)


def actor_words(actor: str) -> str:
    """An opaque actor key in words, where nobody gave it a name."""
    kind, _, rest = str(actor).partition(":")
    words = {
        "system": gettext("the system"),
        "account": gettext("an account"),
        "post": gettext("a post"),
        "token": gettext("a programme"),
        "nobody": gettext("nobody signed in"),
    }
    if kind == "system" and rest.startswith("cli."):
        return gettext("%(user)s at the console", user=rest[4:])
    return words.get(kind, str(actor))


def sms_markup(text: str, cuts: Iterable[int] = ()) -> Markup:
    """The message with a small number where each further part begins, and the exercise marks set off."""
    pieces: list[Markup] = []
    start = 0
    for part, cut in enumerate(sorted(cuts), start=2):
        if start < cut < len(text):
            pieces.append(escape(text[start:cut]))
            hint = gettext("Part %(n)s begins here", n=part)
            pieces.append(Markup('<span class="cut" title="{}">{}</span>').format(hint, part))
            start = cut
    pieces.append(escape(text[start:]))
    return Markup(_MARK.sub('<b class="mk">【演练】</b>', str(Markup("").join(pieces))))  # noqa: S704 - escaped above


def map_assets() -> Markup:
    """The style and the scripts of a page with a map, for its `head` block."""
    return Markup(
        '<link rel="stylesheet" href="{}"><script src="{}" defer></script><script src="{}" defer></script>'
    ).format(asset("vendor/leaflet/leaflet.css"), asset("vendor/leaflet/leaflet.js"), asset("map.js"))


def install(app: flask.Flask) -> None:
    """Give the app's templates these functions."""
    app.jinja_env.globals.update(
        asset=asset,
        csp_nonce=csp_nonce,
        csrf_value=csrf_value,
        here=here,
        with_args=with_args,
        choices=choices,
        reveal_purposes=reveal_purposes,
        actor_words=actor_words,
        sms_markup=sms_markup,
        language=language,
        map_assets=map_assets,
        dict=dict,
    )
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
