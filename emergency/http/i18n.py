"""Two languages: Chinese first, English one switch away.

Source texts are English message ids; `translations/zh/*.po` holds the Chinese, one file a room, read into memory at
start (nothing to compile, nothing to go stale). The language is the visitor's choice (cookie `language`), then the
configured default.
"""

from __future__ import annotations

import gettext as stdlib_gettext
import io
from functools import lru_cache
from pathlib import Path
from typing import Any

import flask
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import LazyProxy
from flask_babel import Babel
from flask_babel import get_locale as babel_locale

TRANSLATIONS = Path(__file__).parents[2] / "translations"
LANGUAGES = {"zh": "中文", "en": "English"}
COOKIE = "language"


@lru_cache(maxsize=4)
def catalogue(language: str) -> stdlib_gettext.NullTranslations:
    """The merged catalogue of one language; English is the message ids themselves."""
    merged: stdlib_gettext.NullTranslations = stdlib_gettext.NullTranslations()
    if language.startswith("en"):
        return merged
    for path in sorted((TRANSLATIONS / language).glob("*.po")):
        with path.open("rb") as source:
            messages = read_po(source, locale=language)
        compiled = io.BytesIO()
        write_mo(compiled, messages)
        compiled.seek(0)
        translations = stdlib_gettext.GNUTranslations(compiled)
        translations.add_fallback(merged)
        merged = translations
    return merged


def language() -> str:
    """The language of this request (`zh` or `en`), or the default outside a request."""
    if flask.has_request_context():
        locale = babel_locale()
        return "en" if locale is not None and locale.language == "en" else "zh"
    return str(flask.current_app.config.get("LANGUAGE", "zh")) if flask.has_app_context() else "zh"


def gettext(message: str, /, **params: Any) -> str:
    """Translate one English message id into the reader's language and fill in the named parameters."""
    text = catalogue(language()).gettext(message)
    return text % params if params else text


_ = gettext


def _l(message: str, /, **params: Any) -> Any:
    """As `_`, but translated when shown; for form labels and module constants."""
    return LazyProxy(lambda: gettext(message, **params), enable_cache=False)


def ngettext(singular: str, plural: str, n: int, /, **params: Any) -> str:
    """Singular or plural by `n` (Chinese has one form)."""
    text = catalogue(language()).ngettext(singular, plural, n)
    return text % {"n": n, **params}


def _choose() -> str:
    chosen = flask.request.cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    if flask.request.path.startswith("/api/"):
        return flask.request.accept_languages.best_match(list(LANGUAGES)) or flask.current_app.config["LANGUAGE"]
    return str(flask.current_app.config["LANGUAGE"])


def install(app: flask.Flask, default: str) -> None:
    """Give the app its languages."""
    app.config["LANGUAGE"] = default if default in LANGUAGES else "zh"
    app.config["BABEL_DEFAULT_LOCALE"] = app.config["LANGUAGE"]
    Babel(app, locale_selector=_choose, default_timezone="Asia/Shanghai")
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        lambda message, **params: gettext(message, **params),
        lambda singular, plural, n, **params: ngettext(singular, plural, n, **params),
        newstyle=False,
    )
    app.jinja_env.globals["_"] = gettext
    app.jinja_env.globals["ngettext"] = ngettext  # its own `n` is positional, so that a sentence may carry another
