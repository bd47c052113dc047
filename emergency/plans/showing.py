"""What pages need to show a text: bodies as HTML with the posts' titles and images, and the files beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import flask
from markupsafe import Markup

from emergency.http.i18n import language
from emergency.http.permissions import Permission
from emergency.http.request import current_actor, session
from emergency.plans import attachments, bodies


def body_writer(sections: Iterable[Any], plan_id: int) -> Callable[[str], Markup]:
    """A function that shows a body; the titles of all posts that the sections name are read at once."""
    titles = bodies.post_titles(session(), [section.body for section in sections], language=language())
    may_look = current_actor().can(Permission.POSTS_VIEW)

    def image_url(attachment_id: int) -> str:
        return flask.url_for("plan_imports.file", plan_id=plan_id, attachment_id=attachment_id)

    def post_url(post_id: int) -> str:
        return flask.url_for("holding.show", post_id=post_id)

    def write(body: str) -> Markup:
        return bodies.to_html(body, titles, image_url=image_url, post_url=post_url if may_look else None)

    return write


def plan_files(version_id: int) -> list[attachments.Listed]:
    """The files of a version for its page."""
    return attachments.attachments(session(), actor=current_actor(), version_id=version_id)


def install(blueprint: flask.Blueprint) -> None:
    """Give both to the templates."""
    blueprint.app_context_processor(lambda: {"body_writer": body_writer, "plan_files": plan_files})
