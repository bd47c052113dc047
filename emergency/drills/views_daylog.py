"""Pages of what is kept of a drill: photographs, notes and the whole day in order, the record."""

from __future__ import annotations

from typing import Any, TypeVar

import flask
from flask import request

from emergency.drills import day_msel, day_notes, day_photos, day_record
from emergency.drills.day_forms import DayRecordForm, NoteForm, PasteForm, PhotosForm
from emergency.drills.models import OccurrenceState
from emergency.drills.rules import OCCURRENCE_TRANSITIONS
from emergency.drills.views_attendance import purpose_of
from emergency.drills.views_day import CONFIRM, VIEW, Page, shown, told
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, database, own_transaction, session
from emergency.people.accounts import service as accounts
from emergency.privacy.journal import Purpose
from kernel.db import now
from kernel.errors import N_, DomainError, Invalid

blueprint = flask.Blueprint("drill_log", __name__, url_prefix="/drills")
REVEAL = Permission.PERSONAL_REVEAL
Value = TypeVar("Value")


def _given(value: Value | None) -> Value:
    if value is None:
        raise Invalid(N_("Fill this in."), code="incomplete")
    return value


# --- photographs --------------------------------------------------------------------------------------------------


def _photos(occurrence_id: int, form: PhotosForm | None = None, status: int = 200, **more: Any) -> Page:
    body = shown(
        "drills/day/photos.html", occurrence_id, lines=False, form=form or PhotosForm(formdata=None),
        count=day_photos.count(session(), occurrence_id), most=day_photos.MAX_PHOTOS, at_once=day_photos.MAX_AT_ONCE,
        megabytes=day_photos.MAX_BYTES // 1024 // 1024, **({"photos": None, "purpose": None} | more),
    )  # fmt: skip
    return body, status


@blueprint.get("/<int:occurrence_id>/day/photos")
@requires(VIEW)
def photos(occurrence_id: int) -> Page:
    """How many pictures there are; the form that adds some; why they are asked for before they are shown."""
    return _photos(occurrence_id)


@blueprint.post("/<int:occurrence_id>/day/photos/show")
@requires(REVEAL)
def show_photos(occurrence_id: int) -> Page:
    """The pictures, for a purpose; journalled."""
    work, actor = session(), current_actor()
    day_msel.occurrence_of(work, actor=actor, occurrence_id=occurrence_id)
    purpose = purpose_of(request.form.get("purpose"))
    found = day_photos.shown(work, actor=actor, occurrence_id=occurrence_id, purpose=purpose)
    return _photos(occurrence_id, photos=found, purpose=purpose)


@blueprint.post("/<int:occurrence_id>/day/photos")
@requires(CONFIRM)
@own_transaction
def add_photos(occurrence_id: int) -> Page:
    """Take several pictures: made anew before any transaction, each kept in one of its own."""
    actor = current_actor()
    with database().read() as reading:
        day_msel.occurrence_of(reading, actor=actor, occurrence_id=occurrence_id)
    form, kept = PhotosForm(), 0
    files = [file for file in request.files.getlist("files") if file.filename]
    if form.validate_on_submit():
        faults: list[str] = []
        try:
            if not files:
                raise Invalid(N_("Choose a file."), code="incomplete")
            if len(files) > day_photos.MAX_AT_ONCE:
                raise Invalid(N_("At most %(n)s pictures at once."), code="too_many", n=day_photos.MAX_AT_ONCE)
            for number, file in enumerate(files, start=1):
                made, refused = day_photos.prepare([file.stream.read(day_photos.MAX_BYTES + 1)])
                faults += [
                    _("Picture %(n)s was not taken: %(why)s", n=number, why=one.error.text(_)) for one in refused
                ]
                for picture in made:
                    with database().write() as writing:
                        day_photos.add(
                            writing, actor=actor, occurrence_id=occurrence_id, picture=picture,
                            caption=form.caption.data or "",
                        )  # fmt: skip
                    kept += 1
        except DomainError as error:
            faults.append(error.text(_))
        if not faults:
            return told(_("%(n)s pictures kept; place and device were taken out.", n=kept), "drill_log.photos",
                        occurrence_id=occurrence_id)  # fmt: skip
        form.files.errors = [*([_("%(n)s pictures were kept.", n=kept)] if kept else []), *faults]
    return _photos(occurrence_id, form, 422)


@blueprint.get("/photos/<int:photo_id>/<any(thumb,whole):size>")
@requires(REVEAL)
def picture(photo_id: int, size: str) -> Page:
    """One picture as a JPEG; the large one is journalled each time."""
    purpose = next((one for one in Purpose if one.value == request.args.get("purpose")), Purpose.DRILL)
    data = day_photos.opened(
        session(), actor=current_actor(), photo_id=photo_id, thumb=size == "thumb", purpose=purpose
    )
    response = flask.Response(data, content_type="image/jpeg")
    response.headers["Content-Disposition"] = "inline"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/photos/<int:photo_id>/delete")
@requires(CONFIRM)
def delete_photo(photo_id: int) -> Page:
    """Delete one picture, with the reason."""
    gone = day_photos.delete(session(), actor=current_actor(), photo_id=photo_id, reason=request.form.get("reason", ""))
    return told(_("The picture is deleted."), "drill_log.photos", occurrence_id=gone.occurrence_id)


# --- notes and the day in order -----------------------------------------------------------------------------------


def _log(occurrence_id: int, status: int = 200, **forms: Any) -> Page:
    work, actor = session(), current_actor()
    day_msel.occurrence_of(work, actor=actor, occurrence_id=occurrence_id)
    made: dict[str, Any] = {
        "note": NoteForm(formdata=None), "paste": PasteForm(formdata=None), "understood": None, "revealed": None
    } | forms  # fmt: skip
    body = shown(
        "drills/day/log.html", occurrence_id, lines=False,
        entries=day_notes.timeline(work, actor=actor, occurrence_id=occurrence_id, language=language()), **made,
    )  # fmt: skip
    return body, status


@blueprint.get("/<int:occurrence_id>/day/log")
@requires(VIEW)
def log(occurrence_id: int) -> Page:
    """The whole day in the order in which it happened."""
    return _log(occurrence_id)


@blueprint.post("/<int:occurrence_id>/day/notes")
@requires(CONFIRM)
def add_note(occurrence_id: int) -> Page:
    """One note with its original time."""
    work, actor = session(), current_actor()
    day_msel.occurrence_of(work, actor=actor, occurrence_id=occurrence_id)
    form = NoteForm()
    if form.validate_on_submit():
        try:
            day_notes.add(
                work, actor=actor, occurrence_id=occurrence_id, at=_given(form.at.data), text=form.text.data or "",
                who=form.who.data or "",
            )  # fmt: skip
            return told(_("The note stands in its place in the day."), "drill_log.log", occurrence_id=occurrence_id)
        except DomainError as error:
            form.refuse(error)
    flask.g.refused = True
    return _log(occurrence_id, 422, note=form)


@blueprint.post("/<int:occurrence_id>/day/notes/paste")
@requires(CONFIRM)
def paste(occurrence_id: int) -> Page:
    """Many notes: first what was understood, then kept."""
    work, actor = session(), current_actor()
    day_msel.occurrence_of(work, actor=actor, occurrence_id=occurrence_id)
    form = PasteForm()
    if not form.validate_on_submit():
        flask.g.refused = True
        return _log(occurrence_id, 422, paste=form)
    keep = "keep" in request.form
    try:
        lines = day_notes.paste(
            work, actor=actor, occurrence_id=occurrence_id, pasted=form.pasted.data or "", who=form.who.data or "",
            keep=keep,
        )  # fmt: skip
    except DomainError as error:
        form.refuse(error)
        flask.g.refused = True
        return _log(occurrence_id, 422, paste=form)
    good = sum(1 for line in lines if not line.fault)
    if keep and good == len(lines):
        return told(_("%(n)s notes stand in their places in the day.", n=good), "drill_log.log",
                    occurrence_id=occurrence_id)  # fmt: skip
    if keep:
        flask.flash(_("%(n)s notes stand in their places in the day.", n=good), "done")
        # What was kept is taken out of the field, so that only what has to be mended is left in it.
        numbers = {line.number for line in lines if line.fault}
        kept = (form.pasted.data or "").splitlines()
        form.pasted.data = "\n".join(text for n, text in enumerate(kept, start=1) if n in numbers)
    return _log(occurrence_id, paste=form, understood=lines, kept=keep)


@blueprint.post("/notes/<int:note_id>/who")
@requires(REVEAL)
def who(note_id: int) -> Page:
    """Who saw it; journalled with the purpose."""
    work, actor = session(), current_actor()
    occurrence_id = day_notes.occurrence_of_note(work, actor=actor, note_id=note_id)
    name = day_notes.who_wrote(work, actor=actor, note_id=note_id, purpose=purpose_of(request.form.get("purpose")))
    return _log(occurrence_id, revealed={note_id: name})


# --- the record ---------------------------------------------------------------------------------------------------


def _record(occurrence_id: int, form: DayRecordForm | None = None, status: int = 200) -> Page:
    work, actor = session(), current_actor()
    occurrence = day_msel.occurrence_of(work, actor=actor, occurrence_id=occurrence_id)
    standing, day = day_record.standing(work, occurrence_id), day_msel.day_of(work, occurrence_id)
    notes, people = day_record.words_of(work, actor=actor, row=standing) if standing is not None else ("", "")
    before = day_record.history(work, standing) if standing is not None and actor.can(CONFIRM) else []
    if form is None:
        form = DayRecordForm(formdata=None)
        facts = (
            day_record.facts_of(work, standing)
            if standing is not None and actor.can(CONFIRM)
            else day_record.suggested(work, actor=actor, occurrence_id=occurrence_id)
        )
        for field in form:
            if hasattr(facts, field.name):
                field.data = getattr(facts, field.name)
        if not facts.attendance:
            form.attendance.data = None  # nobody was counted: a number that somebody only agreed to proves nothing
    keys = {old.row.replaced_by for old in before} | ({standing.recorded_by} if standing is not None else set())
    recordable = (
        standing is None
        and (occurrence.starts_at <= now(work) or (day is not None and day.ended_at is not None))
        and OccurrenceState.HELD in OCCURRENCE_TRANSITIONS[occurrence.state]
    )
    body = shown(
        "drills/day/record.html", occurrence_id, lines=False, form=form, record=standing, before=before,
        recordable=recordable, names=accounts.display_names(work, keys),
        notes=notes, people=people,
        photos=day_photos.count(work, occurrence_id),
    )  # fmt: skip
    return body, status


@blueprint.get("/<int:occurrence_id>/day/record")
@requires(VIEW)
def record_page(occurrence_id: int) -> Page:
    """The record: to be written, filled in from the day; or as it stands, with what it said before."""
    return _record(occurrence_id)


@blueprint.post("/<int:occurrence_id>/record")
@requires(CONFIRM)
def record(occurrence_id: int) -> Page:
    """Write the record, or correct it with a reason."""
    work, actor = session(), current_actor()
    day_msel.occurrence_of(work, actor=actor, occurrence_id=occurrence_id)
    form = DayRecordForm()
    if form.validate_on_submit():
        try:
            facts = day_record.RecordFacts(
                _given(form.started_at.data), _given(form.ended_at.data), form.attendance.data or 0,
                form.expected.data, form.evacuation_seconds.data, form.notes.data or "", form.place.data or "",
                form.content.data or "", form.departments.data or "", form.people.data or "",
            )  # fmt: skip
            if request.form.get("version"):
                day_record.correct(
                    work, actor=actor, occurrence_id=occurrence_id, version=request.form.get("version", 0, type=int),
                    facts=facts, reason=form.reason.data or "",
                )  # fmt: skip
                return told(_("Corrected; what it said before is kept."), "drill_log.record_page",
                            occurrence_id=occurrence_id)  # fmt: skip
            day_record.record(work, actor=actor, occurrence_id=occurrence_id, facts=facts)
            return told(_("Recorded. The rules that it satisfies count it from now on."), "drills.show",
                        occurrence_id=occurrence_id)  # fmt: skip
        except DomainError as error:
            if error.status == 404:
                raise
            form.refuse(error)
    flask.g.refused = True
    return _record(occurrence_id, form, 422)
