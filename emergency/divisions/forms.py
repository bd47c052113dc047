"""The forms of divisions and units."""

from __future__ import annotations

import json
from typing import Any

from flask_wtf.file import FileField, FileRequired
from wtforms import BooleanField, FloatField, SelectField

from emergency.divisions import rules
from emergency.divisions.models import Datum, RiskGrade, Unit
from emergency.divisions.service import UnitFacts
from emergency.http.forms import (
    EnumField,
    Form,
    LongText,
    Number,
    Text,
    Ticks,
    between,
    length,
    optional,
    required,
)
from emergency.http.i18n import _, _l, language
from kernel.errors import N_, Invalid


class Degrees(FloatField):
    """A coordinate in degrees."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        try:
            super().process_formdata([v for v in valuelist if v.strip()])
        except ValueError as error:
            raise ValueError(_("This is not a coordinate. Write it like 116.925304.")) from error


class UnitForm(Form):
    """A unit. Address and contact stay as they are where the field is left empty: they are personal and not shown."""

    name = Text(_l("Name"), [required(), length(most=120)])
    code = Text(
        _l("Code"), [optional(), length(most=40)], description=_l("The credit code or the bureau's own number.")
    )
    division_code = SelectField(_l("Division"), [required()], validate_choice=False)
    sectors = Ticks(_l("Sectors"), choices=[], validate_choice=False)
    risk_grade = EnumField(_l("Risk grade"), RiskGrade, [optional()], empty=_l("not graded"))
    people = Number(_l("People usually there"), [optional(), between(0, 1_000_000)])
    crowded = BooleanField(_l("Crowded place"))
    key_fire = BooleanField(_l("Key fire safety unit"))
    low_lying = BooleanField(_l("Lies low, floods first"))
    lon = Degrees(_l("Longitude"), [optional()])
    lat = Degrees(_l("Latitude"), [optional()])
    datum = EnumField(_l("Datum"), Datum, [required()], description=_l("Points from Chinese consumer maps are GCJ-02."))
    address = Text(_l("Address of the unit"), [optional(), length(most=200)])
    contact_name = Text(_l("Contact"), [optional(), length(most=60)])
    contact_phone = Text(_l("Contact's phone"), [optional(), length(most=40)], render_kw={"inputmode": "tel"})

    def offer(self, areas: list[tuple[str, str]]) -> UnitForm:
        """Fill in the choices."""
        self.division_code.choices = areas
        self.sectors.choices = [(code, sector.label(language())) for code, sector in rules.SECTORS.items()]
        return self

    def show(self, unit: Unit) -> UnitForm:
        """Show what is stored, without what is personal."""
        for key in ("name", "code", "division_code", "sectors", "risk_grade", "people", "lon", "lat"):
            self[key].data = getattr(unit, key)
        for key in ("crowded", "key_fire", "low_lying"):
            self[key].data = getattr(unit, key)
        return self

    def facts(self) -> UnitFacts:
        """What was typed."""
        if (self.lon.data is None) != (self.lat.data is None):
            raise Invalid(N_("A point needs both latitude and longitude."), code="point_incomplete")
        return UnitFacts(
            name=self.name.data,
            code=self.code.data or None,
            division_code=self.division_code.data,
            sectors=list(self.sectors.data or []),
            risk_grade=self.risk_grade.data or "",
            crowded=bool(self.crowded.data),
            key_fire=bool(self.key_fire.data),
            low_lying=bool(self.low_lying.data),
            people=self.people.data,
            lon=self.lon.data,
            lat=self.lat.data,
            datum=self.datum.data or Datum.WGS84,
            address=self.address.data or None,
            contact_name=self.contact_name.data or None,
            contact_phone=self.contact_phone.data or None,
        )


class PlaceForm(Form):
    """Where a division is: its point and its boundary."""

    lon = Degrees(_l("Longitude"), [optional()])
    lat = Degrees(_l("Latitude"), [optional()])
    boundary = LongText(
        _l("Boundary as GeoJSON"),
        [optional(), length(most=2_000_000)],
        description=_l("A Polygon or MultiPolygon, longitude before latitude, every ring closed."),
    )
    datum = EnumField(_l("Datum"), Datum, [required()], description=_l("Points from Chinese consumer maps are GCJ-02."))

    def geojson(self) -> Any:
        """The boundary that was pasted, or None for an empty field."""
        if not self.boundary.data:
            return None
        try:
            return json.loads(self.boundary.data)
        except ValueError as error:
            raise Invalid(
                N_("The boundary is not GeoJSON. Nothing was changed."),
                code="boundary_not_json",
                fields={"boundary": N_("The boundary is not GeoJSON. Nothing was changed.")},
            ) from error


class UploadForm(Form):
    """A file to import, or to check first."""

    file = FileField(_l("CSV or XLSX file"), [FileRequired(_l("Choose a file."))])
    datum = EnumField(_l("Datum"), Datum, [required()], description=_l("Points from Chinese consumer maps are GCJ-02."))
    dry_run = BooleanField(_l("Only check, change nothing"), default=True)
