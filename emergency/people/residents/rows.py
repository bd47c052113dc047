"""From a row of a spreadsheet to sealed columns: what an import, a form and the demonstration data share."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from emergency.divisions import rules as divisions
from emergency.http.actor import Actor
from emergency.http.sheets import Column, Row, RowError
from emergency.people.contacts import rules as contacts
from emergency.people.contacts.models import PhoneState
from emergency.people.residents import rules
from emergency.people.residents.rules import ResidentRow
from emergency.privacy.vault import Vault
from kernel.errors import N_

COLUMNS = (
    Column("external_id", ("人员编号", "编号", "外部编号", "人员ID", "ID"), required=True, kind="code"),
    Column("division_code", ("区划代码", "行政区划代码", "村代码", "村级代码"), required=True, kind="code"),
    Column("name", ("姓名", "名字"), required=True),
    Column("phone", ("电话", "手机", "手机号", "手机号码", "联系电话", "电话号码"), kind="phone"),
    Column("household", ("户号", "家庭编号", "户编号", "户"), kind="code"),
    Column("address", ("住址", "地址", "家庭住址", "居住地址")),
    Column("lat", ("纬度", "latitude")),
    Column("lon", ("经度", "longitude", "lng")),
    Column("needs", ("特殊需求", "需求", "特殊情况", "困难情况", "备注需求")),
)
"""The columns of `interface.md`, in its order."""

PHONE_INVALID = N_("This is not a phone number. The person is kept with the number as written, marked as invalid.")
PHONE_ROUNDED = N_(
    "The spreadsheet rounded this phone number and digits are lost. The person is kept, the number is marked as invalid."
)
DIVISION_UNKNOWN = N_("There is no village with the code %(code)s. The row was not imported.")
DIVISION_NOT_VILLAGE = N_(
    "%(code)s is not a village: residents belong to a village or neighbourhood. The row was not imported."
)
OUT_OF_SCOPE = N_("The village %(code)s lies outside the area that your account is responsible for.")
ELSEWHERE = N_(
    "A person with this number is registered in a village outside your area. The row was not imported; ask that village."
)
ID_MISSING = N_("The row has no number of its own (external_id). The row was not imported.")
NAME_MISSING = N_("The name is empty. The row was not imported.")
DUPLICATE = N_("The file has this external_id already in row %(first)s. The later row was not imported.")
POINT_INVALID = N_("Latitude and longitude are no point in degrees. The person is kept without a point.")

ToWgs84 = Callable[[float, float], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Places:
    """What an import needs to know of divisions: villages, and every other code."""

    villages: Collection[str]
    others: Collection[str]


def parse(row: Row, places: Places, actor: Actor, datum: str) -> tuple[ResidentRow | None, list[RowError]]:
    """A row in normal form and its faults. No row where a fault forbids importing it; an invalid phone does not."""
    errors: list[RowError] = []
    phone = row["phone"]
    for fault in row.faults:
        if fault.column == "phone" and fault.code == "number_rounded":
            errors.append(RowError(row.number, "phone", "phone_invalid", PHONE_ROUNDED))
        else:
            return None, row.faults
    fatal = _place_fault(row, places, actor)
    external_id = rules.clean(row["external_id"], "external_id")
    name = rules.person_name(row["name"])
    if not external_id:
        fatal = RowError(row.number, "external_id", "external_id_missing", ID_MISSING)
    elif not name and fatal is None:
        fatal = RowError(row.number, "name", "name_missing", NAME_MISSING)
    if fatal is not None:
        return None, [fatal]
    number = contacts.read_phone(phone)
    if number.state is PhoneState.INVALID and not errors:
        errors.append(RowError(row.number, "phone", "phone_invalid", PHONE_INVALID))
    lat = lon = None
    try:
        point = rules.parse_point(row["lat"], row["lon"])
        if point is not None:
            lat, lon = rules.round_point(*to_wgs84(*point, datum=datum))
    except ValueError:
        errors.append(RowError(row.number, "lat", "point_invalid", POINT_INVALID))
    return (
        ResidentRow(
            external_id=external_id,
            division_code=row["division_code"],
            name=name,
            number=number,
            household=rules.clean(row["household"], "household"),
            address=rules.clean(row["address"], "address"),
            lat=lat,
            lon=lon,
            needs=rules.clean_needs(row["needs"]),
        ),
        errors,
    )


def _place_fault(row: Row, places: Places, actor: Actor) -> RowError | None:
    code = row["division_code"]
    shown = {"code": code[:20]}
    if code not in places.villages:
        if code in places.others:
            return RowError(row.number, "division_code", "division_not_village", DIVISION_NOT_VILLAGE, shown)
        return RowError(row.number, "division_code", "division_unknown", DIVISION_UNKNOWN, shown)
    if not actor.covers(code):
        return RowError(row.number, "division_code", "out_of_scope", OUT_OF_SCOPE, shown)
    return None


def to_wgs84(lat: float, lon: float, *, datum: str) -> tuple[float, float]:
    """A point as a file states it, in WGS-84."""
    if datum == "gcj02":
        x, y = divisions.gcj02_to_wgs84(lon, lat)
        return y, x
    return lat, lon


# --- sealed forms ------------------------------------------------------------------------------------------------


def digest(vault: Vault, row: ResidentRow) -> bytes:
    """What recognises the row again without being able to read it."""
    return vault.digest("resident.row", row.fingerprint())[:16]


def external_index(vault: Vault, external_id: str) -> bytes:
    """The blind index of a person's number in the file."""
    return vault.index("resident.external", external_id)


def household_index(vault: Vault, division_code: str, key: str) -> bytes:
    """The blind index of a household within its village."""
    return vault.index("household.key", f"{division_code}/{key}")


def to_text(row: ResidentRow) -> str:
    """The row as staging keeps it (sealed)."""
    number = [row.number.text, row.number.state.value]
    parts = [
        row.external_id, row.division_code, row.name, number, row.household, row.address, row.lat, row.lon, row.needs
    ]  # fmt: skip
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


def from_text(text: str) -> ResidentRow:
    """The row back from staging."""
    external_id, division_code, name, number, household, address, lat, lon, needs = json.loads(text)
    kept = contacts.Number(number[0], PhoneState(number[1]))
    return ResidentRow(external_id, division_code, name, kept, household, address, lat, lon, needs)


def resident_columns(
    vault: Vault,
    row: ResidentRow,
    *,
    resident_id: int,
    contact_id: int,
    household_id: int | None,
    known: bytes,
    person: bytes | None = None,
) -> dict[str, Any]:
    """The columns of one resident, sealed for its row. `known` is `digest(vault, row)`, `person` its external index."""

    def seal(column: str, text: str) -> bytes | None:
        return vault.seal("resident", column, resident_id, text) if text else None

    return {
        "id": resident_id,
        "division_code": row.division_code,
        "contact_id": contact_id,
        "household_id": household_id,
        "external_index": person or external_index(vault, row.external_id),
        "external_sealed": seal("external", row.external_id),
        "address_sealed": seal("address", row.address),
        "lat": row.lat,
        "lon": row.lon,
        "priority_class": rules.priority_class(row.needs),
        "needs_sealed": seal("needs", row.needs),
        "row_digest": known,
        "content_digest": known,
    }


def household_columns(vault: Vault, division_code: str, key: str, household_id: int) -> dict[str, Any]:
    """The columns of one household, sealed for its row."""
    return {
        "id": household_id,
        "division_code": division_code,
        "key_index": household_index(vault, division_code, key),
        "key_sealed": vault.seal("household", "key", household_id, key),
    }
