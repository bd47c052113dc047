"""The auditor's pages. Only opaque ids and masked names: nobody's personal data stands here in clear."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import flask
from flask.typing import ResponseReturnValue

from emergency.divisions import service as divisions
from emergency.http import sheets
from emergency.http.forms import flash_done
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, database, own_transaction, session
from emergency.oversight import rules, service, wording
from emergency.oversight.service import Filter
from emergency.privacy import journal
from emergency.privacy.journal import JournalEntry, Purpose
from kernel.clock import BEIJING
from kernel.errors import N_, Invalid
from scheduler.deadlines import end_of, start_of

blueprint = flask.Blueprint("oversight", __name__, url_prefix="/oversight")


def _day(name: str) -> date | None:
    text = flask.request.values.get(name, "").strip()
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Invalid(
            N_("“%(text)s” is not a day. Write it like 2026-11-23."), code="bad_day", text=text[:20]
        ) from error


def _filter() -> Filter:
    values = flask.request.values
    since, until = _day("since"), _day("until")
    subject_id = values.get("subject_id", "").strip()
    return Filter(
        kind=values.get("kind") or None,
        actor=values.get("actor", "").strip() or None,
        subject_kind=values.get("subject_kind", "").strip() or None,
        subject_id=int(subject_id)
        if subject_id.isascii() and subject_id.isdecimal() and len(subject_id) < 17
        else None,
        since=start_of(since) if since else None,
        until=end_of(until) if until else None,
        purpose=values.get("purpose") or None,
        personal=values.get("personal") == "1",
    )


def kind_words(key: str) -> str:
    """A kind of entry in the reader's language; one that no release knows, as it is."""
    known = journal.KINDS.get(key)
    return known.label(language()) if known else key


def purpose_words(key: str | None) -> str:
    """A purpose in the reader's language."""
    return wording.purpose(key, language(), _)


def noun_words(key: str) -> str:
    """What a kind of record or a list is called; one that nobody named, as it is."""
    return _(rules.NOUNS[key]) if key in rules.NOUNS else key


def fact_words(entry: JournalEntry, places: Mapping[str, str]) -> list[tuple[str, str]]:
    """The fields of an entry with their values in words; `places` are the names of divisions by code."""
    facts = rules.facts(entry.data)
    data = dict(facts)
    found = []
    for name, value in facts:
        if isinstance(value, bool):
            said = {True: _("yes"), False: _("no")}[value]
        elif name == "list":
            said = noun_words(str(value))
        elif name == "division":
            said = places.get(str(value), str(value)) if value else "—"
        elif name in rules.MOMENTS:
            said = rules.moment(str(value))
        else:
            words = wording.words_of(entry.kind, name, entry.subject_kind, data)
            said = wording.said(value, words, language(), _)
        found.append((name, said))
    return found


def detail_words(entry: JournalEntry, places: Mapping[str, str]) -> str:
    """The fields of an entry in one line."""
    parts = []
    for name, said in fact_words(entry, places):
        word = _(rules.FIELDS[name]) if name in rules.FIELDS else name
        parts.append(f"{word}{said}" if word.endswith("：") else f"{word} {said}".strip())
    return " · ".join(parts)


_COLUMNS = [sheets.Column(key, (key,)) for key in service.COLUMNS]


def _words(entries: Iterable[JournalEntry]) -> dict[str, Any]:
    """What the templates say the keys of these entries with; the divisions' names are read at once."""
    places = _places(entries)
    return {
        "kind_words": kind_words,
        "purpose_words": purpose_words,
        "detail_words": lambda entry: detail_words(entry, places),
        "noun_words": noun_words,
    }


def _places(entries: Iterable[JournalEntry]) -> dict[str, str]:
    codes = wording.codes_of(dict(rules.facts(entry.data)) for entry in entries)
    return divisions.names(session(), codes) if codes else {}


@blueprint.get("")
@requires(Permission.JOURNAL_VIEW)
def index() -> ResponseReturnValue:
    """The journal, the newest first."""
    page = service.entries(session(), current_actor(), _filter(), cursor=flask.request.args.get("cursor"))
    kinds = sorted(((key, kind_words(key)) for key in journal.KINDS), key=lambda pair: pair[1])
    return flask.render_template(
        "oversight/index.html",
        page=page,
        names=service.names(session(), [entry.actor for entry in page.items]),
        people=_people(flask.request.args.get("actor", "").strip()),
        kinds=kinds,
        purposes=Purpose,
        nouns=[(key, noun_words(key)) for key in rules.SUBJECTS],
        args=flask.request.args,
        last=next(iter(service.verifications(session(), 1)), None),
        **_words(page.items),
    )


def _people(chosen: str) -> list[tuple[str, str]]:
    """Whose entries one may look for: the accounts by name, and whoever was chosen by a link."""
    accounts = service.actors(session())
    names = service.names(session(), [*accounts, chosen])
    found = [(key, names.get(key, key)) for key in accounts]
    if chosen and chosen not in accounts:
        found.append((chosen, names.get(chosen) or chosen))
    return found


@blueprint.get("/entries/<int:seq>")
@requires(Permission.JOURNAL_VIEW)
def show(seq: int) -> ResponseReturnValue:
    """One entry."""
    entry = service.entry(session(), current_actor(), seq)
    return flask.render_template(
        "oversight/show.html",
        entry=entry,
        names=service.names(session(), [entry.actor]),
        facts=[
            (_(rules.FIELDS[n]).rstrip(":：") if n in rules.FIELDS else n, v)
            for n, v in fact_words(entry, _places([entry]))
        ],
        **_words([entry]),
    )


@blueprint.get("/subjects/<kind>/<int:subject_id>")
@requires(Permission.JOURNAL_VIEW)
def subject(kind: str, subject_id: int) -> ResponseReturnValue:
    """Who saw what of one record."""
    actor = current_actor()
    page = service.entries(
        session(), actor, Filter(subject_kind=kind, subject_id=subject_id), cursor=flask.request.args.get("cursor")
    )
    viewers = service.viewers(session(), actor, kind, subject_id)
    actors = [viewer.actor for viewer in viewers] + [entry.actor for entry in page.items]
    return flask.render_template(
        "oversight/subject.html",
        kind=kind,
        subject_id=subject_id,
        viewers=viewers,
        page=page,
        names=service.names(session(), actors),
        **_words(page.items),
    )


@blueprint.get("/verify")
@requires(Permission.JOURNAL_VIEW)
def verify() -> ResponseReturnValue:
    """Whether the journal is whole: the last verifications, and the button for another."""
    found = service.verifications(session())
    return flask.render_template(
        "oversight/verify.html",
        verifications=found,
        names=service.names(session(), [record.asked_by for record in found]),
        faults={key: _(text) for key, text in rules.FAULTS.items()},
    )


@blueprint.post("/verify")
@requires(Permission.JOURNAL_VIEW)
def ask_verification() -> ResponseReturnValue:
    """Ask for a verification."""
    service.ask_verification(session(), actor=current_actor())
    flash_done(_("The journal is being verified. The result shows here in a moment; reload the page."))
    return flask.redirect(flask.url_for("oversight.verify"), 303)


@blueprint.post("/export")
@requires(Permission.JOURNAL_EXPORT)
@own_transaction
def export() -> ResponseReturnValue:
    """What the filter shows, as CSV; the export itself is journalled first."""
    rows = service.export(
        database(), actor=current_actor(), wanted=_filter(), purpose=flask.request.form.get("export_purpose", "")
    )
    moment = database().clock.now().astimezone(BEIJING)
    name = f"journal-{moment:%Y%m%d-%H%M}.csv"
    return flask.Response(
        sheets.csv_text(rows, _COLUMNS),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
