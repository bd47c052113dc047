"""Reading single cells of an import: codes, points, and faults by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from emergency.divisions import rules
from emergency.divisions.models import Datum
from emergency.http.sheets import Row, RowError
from kernel.errors import N_, DomainError, Invalid

T = TypeVar("T")
Progress = Callable[[int, float | None], None]

_NOT_A_CODE = N_("A division code has 12 digits; “%(value)s” has %(n)s characters.")
_NOT_DIGITS = N_("A division code consists of digits; “%(value)s” does not.")
TWICE = N_("The code %(value)s stands in row %(first)s already.")
NO_NAME = N_("The name is missing.")
_NOT_A_NUMBER = N_("“%(value)s” is not a coordinate.")
_HALF_POINT = N_("A point needs both latitude and longitude.")
OUTSIDE = N_("This lies outside the area that your account is responsible for.")


def pieces(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most `size`."""
    source = iter(items)
    while piece := list(islice(source, size)):
        yield piece


def read_datum(datum: Datum | str) -> Datum:
    """The datum that a file's points are measured against."""
    try:
        return Datum(str(datum))
    except ValueError as error:
        raise Invalid(
            N_("“%(value)s” is no datum: say wgs84 or gcj02."), code="datum_unknown", value=str(datum)[:20]
        ) from error


def fault(row: Row, column: str, code: str, message: str, /, **params: Any) -> RowError:
    """One fault of one cell."""
    return RowError(row.number, column, code, message, params)


def refused(row: Row, column: str, error: DomainError) -> RowError:
    """A rule's refusal as a fault of the row."""
    return RowError(row.number, column, error.code, error.message, error.params)


def read_code(row: Row, column: str) -> RowError | None:
    """What is wrong with the division code in this cell."""
    value = row[column]
    if len(value) != 12:
        return fault(row, column, "code_wrong_length", _NOT_A_CODE, value=value[:30], n=len(value))
    return None if rules.is_code(value) else fault(row, column, "code_not_digits", _NOT_DIGITS, value=value)


def read_point(row: Row, datum: Datum) -> tuple[float, float] | RowError | None:
    """`(lon, lat)` in WGS-84, None for an empty pair, or what is wrong."""
    lon, lat = row["lon"], row["lat"]
    if not lon and not lat:
        return None
    if not lon or not lat:
        return fault(row, "lat" if lon else "lon", "point_incomplete", _HALF_POINT)
    numbers = []
    for column, text in (("lon", lon), ("lat", lat)):
        try:
            numbers.append(float(text))
        except ValueError:
            return fault(row, column, "point_not_a_number", _NOT_A_NUMBER, value=text[:30])
    try:
        return rules.to_wgs84(numbers[0], numbers[1], datum)
    except DomainError as error:
        return refused(row, "lat", error)
