"""No route without a permission; the open ones are few and each says why."""

from __future__ import annotations

import flask

from emergency.http.permissions import Permission

OPEN = {
    "web.static", "web.favicon", "web.language", "webhooks.status", "webhooks.inbound",
}  # fmt: skip


def _view(app: flask.Flask, endpoint: str, method: str) -> object:
    view = app.view_functions[endpoint]
    cls = getattr(view, "view_class", None)
    return getattr(cls, method.lower(), None) if cls is not None else view


def _routes(app: flask.Flask) -> list[tuple[str, str, str, object]]:
    return [
        (rule.endpoint, rule.rule, method, _view(app, rule.endpoint, method))
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def test_every_route_demands_a_permission_or_says_why_it_is_open(app: flask.Flask) -> None:
    bare = [
        f"{method} {rule}"
        for endpoint, rule, method, view in _routes(app)
        if not isinstance(getattr(view, "__permission__", None), (Permission, str))
    ]
    assert not bare, "routes without a permission:\n" + "\n".join(bare)


def test_a_stranger_gets_nothing_but_the_open_routes(app: flask.Flask) -> None:
    client = app.test_client()
    leaks = []
    for endpoint, rule, method, view in _routes(app):
        if isinstance(getattr(view, "__permission__", None), str):
            continue
        defaults = dict.fromkeys(app.url_map._rules_by_endpoint[endpoint][0].arguments, "1")
        with app.test_request_context():
            try:
                path = flask.url_for(endpoint, **defaults)
            except Exception:
                path = rule
        answer = client.open(path, method=method)
        # 404: a converter did not take the sample; 400: CSRF stands before the view; 302/303: to the sign-in page
        if answer.status_code < 300:
            leaks.append(f"{method} {path} → {answer.status_code}")
    assert not leaks, "\n".join(leaks)


def test_every_permission_is_used(app: flask.Flask) -> None:
    asked = {getattr(view, "__permission__", None) for *_rest, view in _routes(app)}
    checked_in_services = {
        Permission.WARNINGS_BREAK_GLASS, Permission.SUPPLIES_APPROVE, Permission.ACKNOWLEDGE, Permission.PERSONAL_EXPORT,
    }  # fmt: skip
    unused = set(Permission) - asked - checked_in_services
    assert not unused, f"permissions that no route asks for: {sorted(unused)}"
