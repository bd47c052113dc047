"""The forms of the wizard: content, area, audience. Shapes are typed as corners, so that no script is needed."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterable
from typing import Any

from wtforms import RadioField, SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from emergency.http.forms import Form, LongText, MomentField, Text, Ticks, enum_choices, length, required
from emergency.http.i18n import _, _l
from emergency.warnings.models import Audience, Source, Warning, WarningLevel, WarningStatus
from emergency.warnings.rules import RuleFault
from kernel.errors import N_, Invalid


def offers(pairs: Iterable[tuple[str, Any]]) -> list[Any]:
    """Value and label as the form library wants them."""
    return [SelectChoice(value, str(label)) for value, label in pairs]


class Pick(SelectField):
    """One member of an enum, by its stored value."""

    def __init__(self, label: Any, members: Iterable[enum.Enum], validators: Iterable[Any] = (), **kwargs: Any):
        self._by_value = {str(m.value): m for m in members}
        super().__init__(label, list(validators), choices=offers(enum_choices(self._by_value.values())), **kwargs)

    def process_data(self, value: Any) -> None:
        self.data = str(value.value) if isinstance(value, enum.Enum) else value

    @property
    def member(self) -> Any:
        """The member that was chosen, None for none."""
        return self._by_value.get(str(self.data))


class ContentForm(Form):
    """What it is, how grave, from when to when, what to note, what to do."""

    usual = 0
    """How many of the kinds of event, from the first, are the usual ones."""
    status = Pick(_l("Real or exercise"), WarningStatus, [required()])
    event_code = RadioField(_l("Kind of event"), validators=[required()])
    level = Pick(_l("Level"), WarningLevel, [required()])
    source = Pick(_l("Whose warning"), Source, [required()])
    relayed_from = Text(_l("Issued by (when relayed)"), [length(most=60)])
    headline = Text(_l("Headline"), [length(most=200)])
    description = LongText(_l("Matters to note"), [required(), length(most=2000)])
    instruction = LongText(_l("Measures to take"), [required(), length(most=2000)])
    effective = MomentField(_l("Hazard begins"))
    expires = MomentField(_l("Valid until"))
    text = LongText(_l("Own wording of the text message"), [length(most=1200)])
    cancel_text = LongText(_l("Text that lifts it"), [length(most=1200)])

    def content(self) -> dict[str, Any]:
        """What the service takes."""
        relayed = self.source.member is Source.RELAYED
        return {
            "event_code": self.event_code.data,
            "level": self.level.member,
            "source": (self.source.member, self.relayed_from.data if relayed else None),
            "headline": self.headline.data or "",
            "description": self.description.data or "",
            "instruction": self.instruction.data or "",
            "effective": self.effective.data,
            "expires": self.expires.data,
            "text": self.text.data or "",
            "cancel_text": self.cancel_text.data or "",
        }

    @classmethod
    def of(cls, warning: Warning | None, **start: Any) -> ContentForm:
        """The form filled from a draft, or for a new one."""
        if warning is None:
            return cls(data={"source": Source.OWN, "status": WarningStatus.ACTUAL, **start})
        names = (
            "status", "event_code", "level", "source", "relayed_from", "headline", "description", "instruction",
            "effective", "expires", "text", "cancel_text",
        )  # fmt: skip
        return cls(data={name: getattr(warning, name) for name in names})


class AreaForm(Form):
    """Divisions by tick, polygons and circles by typed corners."""

    divisions = Ticks(_l("Townships and villages"), validate_choice=False)
    polygons = LongText(_l("Polygons"), [length(most=60000)])
    circles = LongText(_l("Circles"), [length(most=4000)])

    def shape(self, before: dict[str, Any], decisions: dict[str, str]) -> dict[str, Any]:
        """The area as JSON, with what the officer decided about places without a point."""
        included = [key for key in before.get("included", []) if decisions.get(key, "in") == "in"]
        excluded = [key for key in before.get("excluded", []) if decisions.get(key, "out") == "out"]
        for key, decision in decisions.items():
            if decision == "in" and key not in included:
                included.append(key)
            elif decision == "out" and key not in excluded:
                excluded.append(key)
        return {
            "divisions": list(dict.fromkeys(self.divisions.data or [])),
            "polygons": read_polygons(self.polygons.data or ""),
            "circles": read_circles(self.circles.data or ""),
            "included": included,
            "excluded": excluded,
        }


WAYS = {
    "sms": _l("Text message"),
    "voice": _l("Voice call"),
    "sms,voice": _l("Text message first; a call to whom it does not reach"),
    "voice,sms": _l("Voice call first; a text message to whom it does not reach"),
}
"""By what road a message leaves, and by what next."""


class AudienceForm(Form):
    """Who, in that area, and by what road."""

    audience = RadioField(_l("Who gets it"), validators=[required()])
    channels = RadioField(_l("By what channel"), validate_choice=False)
    """What is chosen is checked by the rules; a form that leaves it out leaves it as it is."""

    def offer(self, status: WarningStatus, channels: Iterable[str], now: Iterable[str]) -> AudienceForm:
        """The choices: a link test never goes to residents, and a channel that is not set up is not offered.

        `now` is what the draft has; it stays a choice even where no account carries it any more.
        """
        members = [Audience.POSTS] if status is WarningStatus.TEST else list(Audience)
        self.audience.choices = offers(enum_choices(members))
        known, chosen = set(channels), ",".join(now)
        ways = [way for way in WAYS if set(way.split(",")) <= known or way == chosen]
        self.channels.choices = offers((way, WAYS[way]) for way in ways)
        return self


class ReasonForm(Form):
    """Why."""

    reason = LongText(_l("Reason"), [required(), length(most=500)])


class MomentReader(Form):
    """One moment out of a form: when it was heard."""

    at = MomentField(_l("When"))


_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def read_polygons(text: str) -> list[list[list[float]]]:
    """Polygons from the page: GeoJSON, or a line each of `lon,lat lon,lat …`; the last corner returns to the first."""
    text = text.strip()
    if not text:
        return []
    if text.startswith(("{", "[")):
        return _from_json(text)
    return [
        _closed([_pair(part) for part in line.replace(";", " ").split()]) for line in text.splitlines() if line.strip()
    ]


def _pair(part: str) -> list[float]:
    numbers = _NUMBER.findall(part.replace("，", ","))
    if len(numbers) != 2:
        raise RuleFault(
            N_("A corner is longitude,latitude, not “%(value)s”."),
            rule="polygon_point", value=part, field="polygons",
        )  # fmt: skip
    return [float(n) for n in numbers]


def _closed(ring: list[list[float]]) -> list[list[float]]:
    return ring if not ring or ring[0] == ring[-1] else [*ring, ring[0]]


def _from_json(text: str) -> list[list[list[float]]]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise Invalid(
            N_("This is neither GeoJSON nor lines of corners."), code="polygon_unreadable", fields={"polygons": "json"}
        ) from error
    if isinstance(data, list):
        return data if data and isinstance(data[0], list) and data[0] and isinstance(data[0][0], list) else [data]
    kind = data.get("type")
    if kind == "FeatureCollection":
        return [ring for feature in data.get("features", []) for ring in _rings(feature.get("geometry") or {})]
    return _rings(data.get("geometry") or data if kind == "Feature" else data)


def _rings(geometry: dict[str, Any]) -> list[list[list[float]]]:
    coordinates = geometry.get("coordinates") or []
    if geometry.get("type") == "Polygon":
        return coordinates[:1]
    if geometry.get("type") == "MultiPolygon":
        return [polygon[0] for polygon in coordinates if polygon]
    raise Invalid(
        N_("Only polygons can be read from GeoJSON."), code="polygon_unreadable", fields={"polygons": "geojson"}
    )


def read_circles(text: str) -> list[dict[str, float]]:
    """Circles from the page: a line each of `lon,lat,metres`."""
    found = []
    for line in text.splitlines():
        if not line.strip():
            continue
        numbers = _NUMBER.findall(line.replace("，", ","))
        if len(numbers) != 3:
            raise RuleFault(
                N_("A circle is longitude,latitude,metres, not “%(value)s”."),
                rule="circle_without_radius", value=line, field="circles",
            )  # fmt: skip
        found.append({"lon": float(numbers[0]), "lat": float(numbers[1]), "radius_m": float(numbers[2])})
    return found


def write_polygons(area: dict[str, Any]) -> str:
    """The polygons of a draft as lines of corners."""
    return "\n".join(" ".join(f"{lon},{lat}" for lon, lat in ring) for ring in area.get("polygons", []))


def write_circles(area: dict[str, Any]) -> str:
    """The circles of a draft as lines."""
    return "\n".join(f"{c['lon']},{c['lat']},{c['radius_m']}" for c in area.get("circles", []))


def place(form: Form, error: Any) -> None:
    """Show a refusal in words at the field that it means, else at the top."""
    text = error.sentence(_) if isinstance(error, RuleFault) else error.text(_)
    for name in error.fields:
        field = name.split(".")[1] if name.startswith("area.") else name
        if field in form:
            form[field].errors = [*form[field].errors, text]
            return
    form.form_errors.append(text)
