"""Plans on paper: Word, filing papers, pocket cards, packs; of one plan, of several, of a whole township."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import flask
from flask import render_template, request, stream_with_context, url_for

from emergency.divisions import service as divisions
from emergency.http.forms import enum_choices
from emergency.http.i18n import _
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, database, own_transaction, session
from emergency.people.contacts import service as contacts
from emergency.plans import service
from emergency.plans.models import ResponseGrade
from emergency.plans.paper import bundle, cards, filing_papers, journalled, listing, word
from emergency.plans.queries import get_version, in_force
from emergency.privacy.journal import Purpose
from kernel.db import now
from kernel.errors import N_, DomainError, NotFound

blueprint = flask.Blueprint("plan_papers", __name__, url_prefix="/plans")
VIEW, EDIT, REVEAL = Permission.PLANS_VIEW, Permission.PLANS_EDIT, Permission.PERSONAL_REVEAL
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def attachment(body: Any, name: str, content_type: str) -> flask.Response:
    """A download whose Chinese name every browser reads; no copy stays in a cache."""
    tail = name.rpartition(".")[2]
    disposition = f"attachment; filename=plan.{tail}; filename*=UTF-8''{quote(name)}"
    return flask.Response(
        body, content_type=content_type, headers={"Content-Disposition": disposition, "Cache-Control": "no-store"}
    )


def _exercise() -> bool:
    return request.values.get("exercise") == "1"


def _grade() -> ResponseGrade | None:
    return next((grade for grade in ResponseGrade if grade.value == request.values.get("grade")), None)


def _picked() -> list[int]:
    return [int(word_) for word_ in request.values.getlist("plan") if word_.isdigit()][: filing_papers.MOST]


def _chosen() -> list[tuple[int, int, str, int]]:
    return bundle.chosen(
        session(), actor=current_actor(), division=request.values.get("division") or None, plan_ids=_picked()
    )


@blueprint.get("/versions/<int:version_id>/word")
@requires(VIEW)
def word_file(version_id: int) -> flask.Response:
    """A version as Word in the official page form."""
    work, actor = session(), current_actor()
    row, plan = get_version(work, actor=actor, version_id=version_id)
    data = word.plan_document(work, actor=actor, version_id=version_id, exercise=_exercise())
    return attachment(data, f"{bundle.file_name(plan.title, row.number)}.docx", DOCX)


@blueprint.get("/versions/<int:version_id>/<any(cards,pack):paper>")
@requires(VIEW)
def print_one(version_id: int, paper: str) -> flask.Response:
    """Cards or pack of one version: posts, and blank lines for whom to call."""
    made = _pack(session(), version_id, paper, revealed=False)
    return flask.make_response(_page([made], paper, made, _others(version_id, paper)))


@blueprint.post("/versions/<int:version_id>/<any(cards,pack):paper>")
@requires(REVEAL)
@own_transaction
def print_revealed(version_id: int, paper: str) -> flask.Response:
    """The same with names and numbers, for a purpose; journalled before anything is opened."""
    with database().read() as reading:
        made = _pack(reading, version_id, paper, revealed=True)
    response = flask.make_response(_page([made], paper, made, []))
    response.headers["Cache-Control"] = "no-store, private"
    return response


def _pack(work: Any, version_id: int, paper: str, *, revealed: bool) -> cards.Pack:
    actor = current_actor()
    return cards.pack(
        work, actor=actor, version_id=version_id, paper=paper, purpose=request.form.get("purpose"), revealed=revealed,
        exercise=_exercise(), grade=_grade(), printed_by=actor.name,
    )  # fmt: skip


def _others(version_id: int, paper: str) -> list[tuple[str, str]]:
    """The ways to the same papers marked as an exercise, or not."""
    here = url_for("plan_papers.print_one", version_id=version_id, paper=paper, exercise=None if _exercise() else "1")
    return [(here, _("For a real event") if _exercise() else _("Marked as an exercise"))]


def _head(mark: cards.Mark, title: str, back: str, others: Sequence[tuple[str, str]], *, may_reveal: bool) -> str:
    hidden = [(name, value) for name in ("exercise", "grade", "division") if (value := request.values.get(name))]
    hidden += [("plan", str(plan_id)) for plan_id in _picked()]
    return render_template(
        "plans/paper_head.html", mark=mark, title=title, back=back, others=others, hidden=hidden,
        exercise_word=word.EXERCISE,
        purposes=enum_choices(Purpose) if may_reveal and not mark.revealed else [],
    )  # fmt: skip


def _piece(made: cards.Pack, paper: str) -> str:
    return render_template(
        "plans/paper_piece.html", pack=made, paper=paper, most=cards.MOST_ON_A_CARD, exercise_word=word.EXERCISE,
        width=cards.SKETCH_WIDTH, height=cards.SKETCH_HEIGHT,
    )  # fmt: skip


def _page(packs: Sequence[cards.Pack], paper: str, first: cards.Pack, others: Sequence[tuple[str, str]]) -> str:
    actor, plan = current_actor(), first.text.plan
    title = _("Pocket cards: %(plan)s", plan=plan.title) if paper == "cards" else _("Pack: %(plan)s", plan=plan.title)
    head = _head(
        first.mark, title, url_for("plans.version", version_id=first.text.version.id), others,
        may_reveal=actor.can(REVEAL) and actor.covers(plan.division_code),
    )  # fmt: skip
    return "".join([head, *(_piece(made, paper) for made in packs), render_template("plans/paper_foot.html")])


@blueprint.get("/papers")
@requires(VIEW)
def papers() -> str:
    """Which plans go on paper: those in force in an area, to be chosen."""
    work, actor = session(), current_actor()
    division = request.args.get("division") or actor.division_code
    page, total = listing.in_force_of(work, actor=actor, division=division, cursor=request.args.get("cursor"))
    areas = divisions.areas(work, actor=actor, deepest=4)
    return render_template(
        "plans/papers.html", page=page, total=total, areas=areas, chosen_division=division,
        place=divisions.names(work, [division]).get(division, division) if division else "",
        may_edit=actor.can(EDIT),
    )  # fmt: skip


@blueprint.get("/papers/word.zip")
@requires(VIEW)
def word_zip() -> flask.Response:
    """The Word texts of the plans in force of an area, one after another."""
    files = bundle.words(
        database(), actor=current_actor(), plans=_chosen(), exercise=_exercise(),
        division=request.args.get("division", ""),
    )  # fmt: skip
    return attachment(bundle.zipped(files), "预案.zip", "application/zip")


@blueprint.get("/papers/filing.zip")
@requires(EDIT)
def filing_zip() -> flask.Response:
    """Letters, lists, receipts, texts and explanations of what must be filed."""
    picked = _picked()
    plan_ids = picked or [row[0] for row in _chosen()]
    files = bundle.filing_batch(database(), actor=current_actor(), plan_ids=plan_ids, open_only=not picked)
    return attachment(bundle.zipped(files), "备案材料.zip", "application/zip")


@blueprint.get("/papers/evaluation.docx")
@requires(EDIT)
def evaluation_report() -> flask.Response:
    """The skeleton of the year's evaluation."""
    plan_ids = [row[0] for row in _chosen()]
    data = filing_papers.evaluation_report(session(), actor=current_actor(), plan_ids=plan_ids)
    return attachment(data, "预案评估报告.docx", DOCX)


@blueprint.get("/<int:plan_id>/filing-letter")
@requires(EDIT)
def filing_letter(plan_id: int) -> flask.Response:
    """The letter of one plan, with its list."""
    work, actor = session(), current_actor()
    rows = filing_papers.filed(work, actor=actor, plan_ids=[plan_id])
    letter = filing_papers.letters(work, rows)[0]
    held = in_force(work, plan_id)
    if held is None:
        raise NotFound(N_("There is no plan in force there."), code="nothing_in_force")
    text = service.version_text(work, actor=actor, version_id=held.id)
    journalled.note(work, actor=actor, text=text, paper="filing-letter")
    return attachment(filing_papers.filing_letter(work, letter), f"{bundle.file_name(letter.title)}.docx", DOCX)


@blueprint.get("/papers/<any(packs,cards):paper>")
@requires(VIEW)
def print_many(paper: str) -> flask.Response:
    """Cards or packs of every plan chosen: one document with pages counted through."""
    return many(_chosen(), paper, revealed=False)


@blueprint.post("/papers/<any(packs,cards):paper>")
@requires(REVEAL)
@own_transaction
def print_many_revealed(paper: str) -> flask.Response:
    """The same with names and numbers for a purpose; each plan is journalled before its page is made."""
    contacts.purpose_of(request.form.get("purpose"))
    with database().read() as reading:
        plans = bundle.chosen(
            reading, actor=current_actor(), division=request.form.get("division") or None, plan_ids=_picked()
        )
    return many(plans, paper, revealed=True)


def many(plans: Sequence[tuple[int, int, str, int]], paper: str, *, revealed: bool) -> flask.Response:
    """Every plan's pages, one after another as they are made; the command line writes the same."""
    actor, db, one = current_actor(), database(), "cards" if paper == "cards" else "pack"
    exercise, grade, purpose = _exercise(), _grade(), request.form.get("purpose")
    with db.read() as reading:
        mark = cards.Mark(exercise, False, revealed, actor.name or str(actor), now(reading))
    if not revealed:
        with db.write() as writing:
            journalled.note_many(
                writing, actor=actor, paper=one, count=len(plans), division=request.values.get("division", ""),
                exercise=exercise,
            )  # fmt: skip
    title = (
        _("Pocket cards of %(n)s plans", n=len(plans)) if one == "cards" else _("Packs of %(n)s plans", n=len(plans))
    )
    # The head is made before the response's headers, which carry the nonce of its style.
    head = _head(
        mark, title, url_for("plan_papers.papers", division=request.values.get("division") or None), [],
        may_reveal=actor.can(REVEAL),
    )  # fmt: skip

    def pages() -> Iterator[str]:
        yield head
        bare: list[str] = []
        try:
            for _plan_id, version_id, _title, _number in plans:
                with db.read() as reading:
                    made = cards.pack(
                        reading, actor=actor, version_id=version_id, paper=one, purpose=purpose, revealed=revealed,
                        exercise=exercise, grade=grade, printed_by=actor.name, noted=True,
                    )  # fmt: skip
                if one == "cards" and not made.cards:
                    bare.append(made.text.plan.title)
                else:
                    yield _piece(made, one)
        except DomainError as error:
            # Half a township's packs must never look like all of them.
            fault = _("This document is not complete: %(why)s Do not hand it out; begin again.", why=error.text(_))
            yield render_template("plans/paper_foot.html", fault=fault)
            return
        yield render_template("plans/paper_foot.html", bare=bare)

    response = flask.Response(stream_with_context(pages()), content_type="text/html; charset=utf-8")
    response.headers["Cache-Control"] = "no-store, private"
    return response
