"""export plans: Word, filing papers, the evaluation report, pocket cards and packs, without a browser."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from emergency.commands.common import Progress, _, actor, installation, reading
from emergency.runtime import Runtime

FORMS = ("word", "filing", "evaluation", "cards", "pack")


def export_plans(
    *,
    form: str,
    plan_ids: Sequence[int],
    division: str | None,
    exercise: bool,
    purpose: str | None,
    target: Path | None,
) -> None:
    """Write papers of the plans in force. One plan's Word is a .docx, several are a .zip; cards and packs are a page."""
    if target is None and sys.stdout.isatty():
        raise click.UsageError(_("This is no text for a screen. Name a file: -o FILE"))
    if purpose is not None and form not in ("cards", "pack"):
        raise click.UsageError(_("Only cards and packs can carry names and phones; leave --purpose away."))
    progress = Progress(_("Plans"))
    with installation() as runtime:
        pieces = _pieces(runtime, form, plan_ids, division, exercise, purpose, progress if target else None)
        _write(pieces, target)
    progress.finish()


def _pieces(
    runtime: Runtime,
    form: str,
    plan_ids: Sequence[int],
    division: str | None,
    exercise: bool,
    purpose: str | None,
    progress: Progress | None,
) -> Iterable[bytes]:
    from emergency.plans.paper import bundle, filing_papers

    who = actor()
    with runtime.database.read() as session:
        plans = bundle.chosen(session, actor=who, division=division, plan_ids=plan_ids)
    if form == "word":
        files = bundle.words(
            runtime.database, actor=who, plans=plans, exercise=exercise, division=division or "", progress=progress
        )
        return [next(files)[1]] if len(plans) == 1 else bundle.zipped(files)
    if form == "filing":
        chosen = [row[0] for row in plans]
        return bundle.zipped(bundle.filing_batch(runtime.database, actor=who, plan_ids=chosen, open_only=not plan_ids))
    if form == "evaluation":
        with reading(runtime) as session:
            return [filing_papers.evaluation_report(session, actor=who, plan_ids=[row[0] for row in plans])]
    return _page(runtime, plans, who, form, division, exercise, purpose)


def _page(
    runtime: Runtime,
    plans: Sequence[tuple[int, int, str, int]],
    who: Any,
    form: str,
    division: str | None,
    exercise: bool,
    purpose: str | None,
) -> Iterator[bytes]:
    """The same page that the browser prints, made by the same views."""
    import flask

    from emergency import create_app
    from emergency.plans import views_paper

    app = create_app(runtime)
    sent = {"division": division or "", "exercise": "1" if exercise else "", "purpose": purpose or ""}
    with app.test_request_context("/plans/papers", method="POST", data=sent, headers={"Accept-Language": "zh"}):
        flask.g.actor = who
        answer = views_paper.many(plans, "cards" if form == "cards" else "packs", revealed=purpose is not None)
        yield from answer.iter_encoded()


def _write(pieces: Iterable[bytes], target: Path | None) -> None:
    if target is None:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    temporary = target.with_name(target.name + ".part")
    try:
        with temporary.open("wb") as file:
            for piece in pieces:
                file.write(piece)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def options(command: Any) -> Any:
    """What `export` accepts for plans only."""
    for option in reversed(
        (
            click.option("--plan", "plan_ids", type=int, multiple=True, help="Plans: only this one; may be repeated."),
            click.option("--division", help="Plans: only those of this division and below."),
            click.option(
                "--as", "form", type=click.Choice(FORMS),
                help="Plans: Word texts (the default), filing papers, evaluation report, pocket cards or packs.",
            ),
            click.option("--exercise", is_flag=True, help="Plans: mark every page as exercise material."),
        )
    ):  # fmt: skip
        command = option(command)
    return command
