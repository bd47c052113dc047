"""Every form that changes something carries a token; only what brings no cookies is exempt.

`/api` knows Bearer tokens only, `/webhooks` are signed by the provider, and `/c/<token>` and `/d/<token>` are
opened by whoever holds the link or scans the code: in none of them can another site borrow a browser's cookie.
"""

from __future__ import annotations

import flask
from flask_wtf.csrf import CSRFProtect

EXEMPT = ("/api/", "/webhooks/", "/c/", "/d/")


def install(app: flask.Flask) -> None:
    """Check the token of every request that may change something."""
    # The referrer is checked nowhere: some office browsers and proxies strip it, and the token is bound to the session.
    app.config.setdefault("WTF_CSRF_SSL_STRICT", False)
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    protection = CSRFProtect(app)

    @app.before_request
    def _check() -> None:
        if flask.current_app.config["WTF_CSRF_ENABLED"] and not flask.request.path.startswith(EXEMPT):
            protection.protect()
