"""emergency import plans: files read, checked and made into drafts without a page in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from emergency.commands.common import Progress, _, actor, explain, installation, print_json
from emergency.http import i18n
from emergency.http.actor import Actor
from emergency.plans.importing import confirm as confirming
from emergency.plans.importing import reading, runs
from emergency.plans.importing.confirm import LEAVE_OUT, Choices, Decision, Places
from emergency.plans.importing.models import PlanImport
from emergency.plans.importing.package import too_large
from emergency.plans.importing.reading import Reading
from emergency.plans.models import Hazard, PlanKind, PlanLevel
from emergency.plans.queries import get_plan
from emergency.plans.service import NewPlan
from emergency.runtime import Runtime
from kernel.errors import N_, DomainError, Invalid


@dataclass(frozen=True)
class Options:
    """What the command was told."""

    plan_id: int | None = None
    kind: str | None = None
    level: str | None = None
    division: str | None = None
    issuer: str | None = None
    title: str | None = None
    hazards: Sequence[str] = ()
    parent_id: int | None = None
    leave_out: bool = False
    outline: Path | None = None

    @property
    def is_new(self) -> bool:
        """Whether a plan is to be entered."""
        return self.kind is not None


@dataclass
class Told:
    """What came of one file."""

    file: str
    rows: int = 0
    created: int = 0
    plan: int | None = None
    version: int | None = None
    people: int = 0
    left_out: int = 0
    missing: list[str] = field(default_factory=list)
    remarks: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)


def run(files: Sequence[Path], options: Options, *, dry_run: bool, output: str) -> None:
    """Read every file; a file that is refused says why and the others are read all the same. Exit 1 for any refusal."""
    _check(options, len(files), dry_run)
    progress, told = Progress(_("Files")), []
    with installation() as runtime:
        for number, path in enumerate(files, start=1):
            told.append(_one(runtime, path, options, dry_run))
            progress(number, number / len(files))
        progress.finish()
    if output == "json":
        _json(told)
    else:
        for one in told:
            _tell(one, dry_run)
    if any(one.errors for one in told):
        raise click.exceptions.Exit(1)


def _check(options: Options, files: int, dry_run: bool) -> None:
    if options.plan_id is not None and options.is_new:
        raise click.UsageError(_("--plan and --new exclude each other."))
    if options.plan_id is not None and files > 1:
        raise click.UsageError(_("Several files cannot become drafts of one plan."))
    if options.is_new and not (options.division and options.issuer and options.hazards):
        raise click.UsageError(_("A new plan needs --division, --issuer and at least one --hazard."))
    if options.plan_id is None and not options.is_new and not dry_run:
        raise click.UsageError(_("Say where the text goes: --plan ID, or --new KIND; or check it with --dry-run."))


_LEVELS = {
    PlanKind.TOWNSHIP: PlanLevel.TOWNSHIP, PlanKind.VILLAGE: PlanLevel.VILLAGE, PlanKind.UNIT: PlanLevel.UNIT,
}  # fmt: skip


def _one(runtime: Runtime, path: Path, options: Options, dry_run: bool) -> Told:
    told, who = Told(path.name), actor()
    try:
        limit = runtime.config.server.max_upload_mb * 1024 * 1024
        if path.stat().st_size > limit:
            raise too_large(limit)
        data = path.read_bytes()
        typed = options.outline.read_text("utf-8") if options.outline else ""
        result = reading.read(data, path.name, typed=typed, limit=limit)
        decisions = _decided(runtime, who, result, options)
        _fill(told, result, decisions, options, runtime)
        if not dry_run:
            run_id = runs.upload(
                runtime.database, data, actor=who, name=path.name, typed=typed, plan_id=options.plan_id, limit=limit
            )
            try:
                told.plan, told.version = _written(runtime, who, run_id, result, decisions, options)
            except DomainError:
                with runtime.database.write() as session:
                    if session.get_one(PlanImport, run_id).finished_at is None:
                        runs.discard(session, actor=who, run_id=run_id)
                raise
        told.created = len(result.sections)
    except DomainError as error:
        told.errors.append(
            {"row": error.params.get("at", 0), "column": "", "code": error.code, "message": explain(error)}
        )
    except (OSError, UnicodeDecodeError) as error:
        told.errors.append({"row": 0, "column": "", "code": "file_broken", "message": type(error).__name__})
    return told


def _decided(runtime: Runtime, who: Actor, result: Reading, options: Options) -> dict[int, Decision]:
    with runtime.database.read() as session:
        home = options.division or ""
        if options.plan_id is not None:
            home = get_plan(session, actor=who, plan_id=options.plan_id).division_code
        found = confirming.suggested(result.people, Places.within(session, who, home or None), home)
    return {key: Decision(LEAVE_OUT) for key in found} if options.leave_out else found


def _written(
    runtime: Runtime, who: Actor, run_id: int, result: Reading, decisions: dict[int, Decision], options: Options
) -> tuple[int, int]:
    runs.work(runtime.database, run_id)
    new = None
    if options.kind is not None:
        kind = PlanKind(options.kind)
        title = options.title or result.title
        if not title:
            raise Invalid(N_("The file has no title of its own: give one with --title."), code="incomplete")
        new = NewPlan(
            kind=kind, level=PlanLevel(options.level) if options.level else _LEVELS.get(kind, PlanLevel.DISTRICT),
            title=title, division_code=options.division or "", issuer=options.issuer or "",
            hazards=[Hazard(h) for h in options.hazards], parent_id=options.parent_id,
        )  # fmt: skip
    return confirming.confirm(
        runtime.database, actor=who, run_id=run_id,
        choices=Choices(options.plan_id, new, decisions, bool(result.levels), bool(result.evacuation)),
    )  # fmt: skip


def _fill(told: Told, result: Reading, decisions: dict[int, Decision], options: Options, runtime: Runtime) -> None:
    kind = PlanKind(options.kind) if options.kind else PlanKind.SPECIAL
    words = i18n.catalogue(runtime.config.site.language).gettext
    told.rows, told.people = len(result.sections), len(result.people)
    told.left_out = sum(decision.action == LEAVE_OUT for decision in decisions.values())
    told.missing = [part.zh for part in confirming.missing(kind, result)]
    told.remarks = [{"row": r.at, "code": r.code, "message": r.words(words)} for r in result.remarks]


def _json(told: list[Told]) -> None:
    print_json(
        {
            "rows": sum(one.rows for one in told), "created": sum(one.created for one in told), "updated": 0,
            "unchanged": 0, "errors": [{**error, "file": one.file} for one in told for error in one.errors],
            "files": [
                {"file": one.file, "sections": one.rows, "people": one.people, "left_out": one.left_out,
                 "missing": one.missing, "remarks": one.remarks, "plan": one.plan, "version": one.version}
                for one in told
            ],
        }
    )  # fmt: skip


def _tell(one: Told, dry_run: bool) -> None:
    for error in one.errors:
        click.echo(f"{one.file}: {error['message']}", err=True)
    if one.errors:
        return
    click.echo(_("%(file)s: %(n)s sections, %(people)s people with numbers, %(out)s of them left out.",
                 file=one.file, n=one.rows, people=one.people, out=one.left_out))  # fmt: skip
    for remark in one.remarks:
        place = _("Paragraph %(n)s: ", n=remark["row"]) if remark["row"] else ""
        click.echo(f"  {place}{remark['message']}")
    if one.missing:
        click.echo("  " + _("Article 28 also asks for: %(parts)s", parts="、".join(one.missing)))
    if dry_run:
        click.echo(_("This was a dry run; nothing was written."))
    else:
        click.echo("  " + _("Plan %(plan)s has the draft %(version)s now.", plan=one.plan, version=one.version))
