"""The product: a district's plans, reserves, drills and last-mile warnings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import flask

    from emergency.runtime import Runtime

PLAIN_BYTES = 4 * 1024 * 1024
"""The largest body that is no uploaded file."""
TEMPLATES = Path(__file__).resolve().parents[1] / "templates"


def create_app(runtime: Runtime) -> flask.Flask:
    """The Flask application of one installation: every room's pages and JSON, one unit of work a request."""
    import flask

    from emergency import api, web, webhooks
    from emergency.http import csrf, errors, i18n, request
    from emergency.people.accounts import web_session
    from emergency.runtime import furniture

    config = runtime.config
    app = flask.Flask("emergency", template_folder=str(TEMPLATES), static_folder=None)
    app.config.update(
        MAX_FORM_MEMORY_SIZE=2 * 1024 * 1024,
        WTF_CSRF_TIME_LIMIT=None,
        TRAP_BAD_REQUEST_ERRORS=False,
    )
    app.before_request(_keep_small)
    bind(app, runtime)
    i18n.install(app, config.site.language)
    errors.install(app)
    request.install(app)
    csrf.install(app)
    web_session.install(app)
    web.install(app)
    webhooks.install(app, gateway_too=config.notify.gateway.enabled)
    for _room, views in furniture("views"):
        for blueprint in getattr(views, "BLUEPRINTS", None) or (views.blueprint,):
            app.register_blueprint(blueprint)
    found = [getattr(module, "BLUEPRINTS", None) or (module.blueprint,) for _room, module in furniture("api")]
    api.install(app, [blueprint for room in found for blueprint in room])
    return app


def bind(app: flask.Flask, runtime: Runtime) -> None:
    """Let the app serve this installation: its keys, database, accounts, limits and proxies."""
    from werkzeug.middleware.proxy_fix import ProxyFix

    from emergency import webhooks
    from emergency.people.accounts import web_session

    server = runtime.config.server
    app.config.update(
        SECRET_KEY=runtime.vault.sign("flask", "secret") + runtime.vault.sign("flask", "key"),
        MAX_CONTENT_LENGTH=server.max_upload_mb * 1024 * 1024,
    )
    app.extensions["emergency.database"] = runtime.database
    app.extensions["emergency.config"] = runtime.config
    app.extensions["emergency.runtime"] = runtime
    web_session.bind(app, runtime.config.security)
    webhooks.bind(app, runtime)
    inner = type(app).wsgi_app.__get__(app)
    if hops := server.trusted_proxies:
        inner = ProxyFix(inner, x_for=hops, x_proto=hops, x_host=hops)
    app.wsgi_app = webhooks.Door(app, inner)  # type: ignore[method-assign]


def _keep_small() -> None:
    """What is not a file is read into memory at once, before anybody is known: it must be small."""
    import flask

    from emergency import webhooks

    if flask.request.blueprint == webhooks.blueprint.name:
        flask.request.max_content_length = webhooks.MAX_BYTES
    elif flask.request.mimetype != "multipart/form-data":
        flask.request.max_content_length = PLAIN_BYTES
