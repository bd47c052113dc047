"""The frame of every page around the pages of a few rooms, for tests that need no more of the product."""

from __future__ import annotations

import flask

from emergency import TEMPLATES, web
from emergency.config import Config
from emergency.http import csrf, errors, i18n, request
from kernel.db import Database


def shell(database: Database, config: Config, *, testing: bool = False) -> flask.Flask:
    """An app with the shell; whoever stands in `app.config["ACTOR"]` is signed in."""
    app = flask.Flask("emergency", template_folder=str(TEMPLATES), static_folder=None)
    app.config.update(SECRET_KEY="test", TESTING=testing)
    app.extensions["emergency.database"] = database
    app.extensions["emergency.config"] = config
    i18n.install(app, "zh")
    errors.install(app)
    request.install(app)
    csrf.install(app)
    app.config["WTF_CSRF_ENABLED"] = False

    @app.before_request
    def _sign_in() -> None:
        if app.config.get("ACTOR") is not None:
            flask.g.actor = app.config["ACTOR"]

    web.install(app)
    return app
