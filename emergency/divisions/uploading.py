"""The page that checks or takes a file: the same for divisions and for units."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import flask

from emergency.divisions.forms import UploadForm
from emergency.divisions.models import Datum
from emergency.http.request import current_actor, database
from emergency.http.sheets import Report
from kernel.errors import DomainError


@dataclass(frozen=True)
class Upload:
    """What the page is about: the noun, its columns, who takes the file, and where it leads back to."""

    noun: str
    columns: Sequence[Any]
    take: Callable[..., Report]
    back: str

    def show(self, form: UploadForm | None = None, report: Report | None = None) -> str:
        """The page, with what came of the last file."""
        return flask.render_template(
            "divisions/import.html", form=form or UploadForm(), report=report, noun=self.noun, columns=self.columns,
            back=flask.url_for(self.back),
        )  # fmt: skip

    def post(self) -> str | tuple[str, int]:
        """Check or take the file that was sent; rows that are refused are shown with their reason."""
        form = UploadForm()
        if not form.validate():
            return self.show(form), 422
        try:
            report = self.take(
                database(), io.BytesIO(form.file.data.read()), actor=current_actor(), dry_run=bool(form.dry_run.data),
                datum=form.datum.data or Datum.WGS84,
            )  # fmt: skip
        except DomainError as error:
            form.refuse(error, at="file")
            return self.show(form), 422
        return self.show(form, report), 422 if report.errors else 200
