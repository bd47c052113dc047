"""Headers that hold the browser to what we send: our own files, no inline script, no framing, nothing kept by caches."""

from __future__ import annotations

import flask

STATIC_SECONDS = 31_536_000


def policy(nonce: str | None) -> str:
    """The content security policy; a nonce admits this response's own `<style>` and `<script>` elements."""
    own = f"'self' 'nonce-{nonce}'" if nonce else "'self'"
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {own}",
            f"style-src {own}",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


def _protect(response: flask.Response) -> flask.Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", policy(flask.g.get("csp_nonce")))
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=(self), payment=()")
    if flask.request.is_secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if flask.request.endpoint == "web.static":
        seconds = STATIC_SECONDS if flask.request.args.get("v") else 3600
        headers["Cache-Control"] = f"public, max-age={seconds}" + (", immutable" if flask.request.args.get("v") else "")
    else:
        headers.setdefault("Cache-Control", "no-store")
    return response


def install(app: flask.Flask) -> None:
    """Put the headers on every response."""
    app.after_request(_protect)
