"""Pages of one post: who holds it, verifying the number, deputies, the ends of a post."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
from werkzeug.wrappers import Response

from emergency.divisions import service as divisions
from emergency.http.forms import Form, flash_done
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, database, own_transaction, session
from emergency.people.contacts.service import refusals
from emergency.people.posts import directory, service
from emergency.people.posts.forms import CorrectForm, EditPostForm, PersonForm, VerifyForm
from emergency.people.posts.models import Post, PostState
from kernel.errors import DomainError
from kernel.states import timeline

blueprint = flask.Blueprint("holding", __name__)


def _title(post: Post) -> str:
    return service.titles(session(), [post.id], language=language())[post.id]


def _record(post_id: int, *, form: VerifyForm | None = None, revealed: dict[int, Any] | None = None) -> str:
    actor = current_actor()
    view = service.post_view(session(), actor=actor, post_id=post_id)
    form = form or VerifyForm()
    form.holder_id.choices = [(str(p.id), p.words) for p in view.people]
    changes = timeline(session(), "post", post_id)
    actors = {change.actor for change in changes} | {act.actor for act, _note in view.acts}
    return flask.render_template(
        "posts/show.html",
        view=view,
        post=view.post,
        title=_title(view.post),
        superior=view.superior and (view.superior.id, _title(view.superior)),
        path=divisions.path(session(), view.post.division_code),
        changes=changes,
        names=directory.actor_names(session(), actors),
        PostState=PostState,
        form=form,
        refusals=refusals.told(session(), [person.contact_id for person in view.people]),
        revealed=revealed or {},
        may_edit=actor.can(Permission.POSTS_EDIT),
        may_verify=actor.can(Permission.POSTS_EDIT) or actor.can(Permission.QUESTIONS_ANSWER),
        may_reveal=actor.can(Permission.PERSONAL_REVEAL),
    )


def _back(post_id: int, said: str) -> Response:
    flash_done(said)
    return flask.redirect(flask.url_for("holding.show", post_id=post_id), 303)


@blueprint.post("/posts/<int:post_id>/messages/<int:holder_id>")
@requires(Permission.POSTS_EDIT)
def messages_again(post_id: int, holder_id: int) -> Response:
    """The holder wants messages again, and showed it: duty messages reach the post once more."""
    service.take_back_objection(
        session(), actor=current_actor(), post_id=post_id, holder_id=holder_id,
        reason=flask.request.form.get("reason", ""),
    )  # fmt: skip
    return _back(post_id, _("Messages go to this number again. Verify it by a call."))


@blueprint.get("/posts/<int:post_id>")
@requires(Permission.POSTS_VIEW)
def show(post_id: int) -> str:
    """One post."""
    return _record(post_id)


@blueprint.post("/posts/<int:post_id>/holders/<int:holder_id>/reveal")
@requires(Permission.PERSONAL_REVEAL)
@own_transaction
def reveal(post_id: int, holder_id: int) -> str:
    """Name and number in clear, once, for a purpose."""
    with database().read() as reading:
        shown = service.reveal_holder(
            reading, actor=current_actor(), post_id=post_id, holder_id=holder_id,
            purpose=flask.request.form.get("purpose", ""),
        )  # fmt: skip
    return _record(post_id, revealed={holder_id: shown})


@blueprint.post("/posts/<int:post_id>/verify")
@requires(Permission.POSTS_VIEW)
def verify(post_id: int) -> Response | tuple[str, int]:
    """Record that a number was tried."""
    form = VerifyForm()
    if form.validate():
        try:
            service.verify(
                session(), actor=current_actor(), post_id=post_id, means=form.means.data, result=form.result.data,
                holder_id=int(form.holder_id.data), note=form.note.data or "",
            )  # fmt: skip
            return _back(post_id, _("It is recorded who tried the number, when, and by which means."))
        except DomainError as error:
            flask.g.refused = True
            form.refuse(error)
    return _record(post_id, form=form), 422


def _person_page(post: Post, form: Form, template: str = "posts/person.html", **more: Any) -> str:
    return flask.render_template(template, form=form, post=post, title=_title(post), **more)


def _save(post_id: int, form: Form, act: Callable[[], Any], said: str, **more: Any) -> Response | tuple[str, int]:
    """The common way of a form: validate, act, go back; or show again what was typed."""
    if form.validate():
        try:
            act()
            return _back(post_id, said)
        except DomainError as error:
            flask.g.refused = True
            form.refuse(error)
    post = service.get_post(session(), actor=current_actor(), post_id=post_id)
    return _person_page(post, form, **more), 422


@blueprint.get("/posts/<int:post_id>/holder")
@requires(Permission.POSTS_EDIT)
def holder(post_id: int) -> str:
    """Somebody else takes the post."""
    post = service.get_post(session(), actor=current_actor(), post_id=post_id)
    return _person_page(post, PersonForm(), what="holder")


@blueprint.post("/posts/<int:post_id>/holder")
@requires(Permission.POSTS_EDIT)
def set_holder(post_id: int) -> Response | tuple[str, int]:
    """Keep the new holder."""
    form = PersonForm()

    def act() -> None:
        service.set_holder(
            session(), actor=current_actor(), post_id=post_id, name=form.name.data or "",
            phone=form.phone.data or "", reason=form.reason.data or "",
        )  # fmt: skip

    return _save(post_id, form, act, _("The post has a new holder. Verify the number next."), what="holder")


@blueprint.get("/posts/<int:post_id>/deputies")
@requires(Permission.POSTS_EDIT)
def deputy(post_id: int) -> str:
    """One more deputy."""
    post = service.get_post(session(), actor=current_actor(), post_id=post_id)
    return _person_page(post, PersonForm(), what="deputy")


@blueprint.post("/posts/<int:post_id>/deputies")
@requires(Permission.POSTS_EDIT)
def add_deputy(post_id: int) -> Response | tuple[str, int]:
    """Keep the deputy."""
    form = PersonForm()

    def act() -> None:
        service.add_deputy(
            session(), actor=current_actor(), post_id=post_id, name=form.name.data or "", phone=form.phone.data or ""
        )

    return _save(post_id, form, act, _("The deputy is called after those before."), what="deputy")


@blueprint.get("/posts/<int:post_id>/holders/<int:holder_id>/correct")
@requires(Permission.POSTS_EDIT)
def correction(post_id: int, holder_id: int) -> str:
    """Another number of the same person."""
    post = service.get_post(session(), actor=current_actor(), post_id=post_id)
    return _person_page(post, CorrectForm(), what="correct")


@blueprint.post("/posts/<int:post_id>/holders/<int:holder_id>/correct")
@requires(Permission.POSTS_EDIT)
def correct(post_id: int, holder_id: int) -> Response | tuple[str, int]:
    """Keep it, for every record of that person."""
    form = CorrectForm()

    def act() -> None:
        service.correct(
            session(), actor=current_actor(), post_id=post_id, holder_id=holder_id, name=form.name.data or "",
            phone=form.phone.data or "",
        )  # fmt: skip

    return _save(post_id, form, act, _("Corrected for every record of this person. Verify the number next."),
                 what="correct")  # fmt: skip


@blueprint.get("/posts/<int:post_id>/edit")
@requires(Permission.POSTS_EDIT)
def edit(post_id: int) -> str:
    """The post itself."""
    post = service.get_post(session(), actor=current_actor(), post_id=post_id)
    form = EditPostForm(data={"title": post.title, "responsible": post.responsible})
    return _person_page(post, form, "posts/edit.html")


@blueprint.post("/posts/<int:post_id>/edit")
@requires(Permission.POSTS_EDIT)
def save(post_id: int) -> Response | tuple[str, int]:
    """Keep it."""
    form = EditPostForm()

    def act() -> None:
        service.edit_post(
            session(), actor=current_actor(), post_id=post_id, title=form.title.data or "",
            responsible=bool(form.responsible.data),
        )  # fmt: skip

    return _save(post_id, form, act, _("The post was corrected."), template="posts/edit.html")


@blueprint.post("/posts/<int:post_id>/holders/<int:holder_id>/remove")
@requires(Permission.POSTS_EDIT)
def remove_deputy(post_id: int, holder_id: int) -> Response:
    """A deputy leaves."""
    service.remove_deputy(session(), actor=current_actor(), post_id=post_id, holder_id=holder_id)
    return _back(post_id, _("The deputy has left; those after move up."))


@blueprint.post("/posts/<int:post_id>/holders/<int:holder_id>/promote")
@requires(Permission.POSTS_EDIT)
def promote(post_id: int, holder_id: int) -> Response:
    """A deputy becomes the holder."""
    service.promote(session(), actor=current_actor(), post_id=post_id, holder_id=holder_id, reason=_reason())
    return _back(post_id, _("The deputy holds the post now."))


def _reason() -> str:
    return flask.request.form.get("reason", "").strip()[:500]


@blueprint.post("/posts/<int:post_id>/release")
@requires(Permission.POSTS_EDIT)
def release(post_id: int) -> Response:
    """The holder leaves, nobody follows yet."""
    service.release(session(), actor=current_actor(), post_id=post_id, reason=_reason())
    return _back(post_id, _("The post is vacant. It stays on the list of defects until somebody holds it."))


@blueprint.post("/posts/<int:post_id>/abolish")
@requires(Permission.POSTS_EDIT)
def abolish(post_id: int) -> Response:
    """The duty does not exist here any more."""
    service.abolish(session(), actor=current_actor(), post_id=post_id, reason=_reason())
    return _back(post_id, _("The post is abolished; its history stays."))


@blueprint.post("/posts/<int:post_id>/restore")
@requires(Permission.POSTS_EDIT)
def restore(post_id: int) -> Response:
    """The duty exists again."""
    service.restore(session(), actor=current_actor(), post_id=post_id, reason=_reason())
    return _back(post_id, _("The post exists again. Write down who holds it."))
