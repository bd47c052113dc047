"""Days that are off in all likelihood while a year's holidays are not announced.

The feasts are fixed by law (全国年节及纪念日放假办法); how the days around them are exchanged is announced each
November. Until then a drill keeps clear of the usual spans, so that few dates have to move afterwards. The dates of
the lunar feasts are astronomy, not a guess.
"""

from __future__ import annotations

from datetime import date, timedelta

FIXED = (((1, 1), 0, 0), ((5, 1), 0, 4), ((10, 1), 0, 6))
"""New Year, Labour Day, National Day: the feast, and how many days before and after it are usually off."""
LUNAR: dict[int, tuple[date, date, date, date]] = {
    2027: (date(2027, 2, 6), date(2027, 4, 5), date(2027, 6, 9), date(2027, 9, 15)),
    2028: (date(2028, 1, 26), date(2028, 4, 4), date(2028, 5, 28), date(2028, 10, 3)),
    2029: (date(2029, 2, 13), date(2029, 4, 4), date(2029, 6, 16), date(2029, 9, 22)),
    2030: (date(2030, 2, 3), date(2030, 4, 5), date(2030, 6, 5), date(2030, 9, 12)),
}
"""Spring Festival, Qingming, Dragon Boat and Mid-Autumn."""
AROUND = ((1, 7), (1, 1), (1, 1), (1, 1))


def likely_off(year: int) -> frozenset[date]:
    """The days of a year that are off in all likelihood; of a year beyond the table the fixed feasts only."""
    spans = [(date(year, *feast), before, after) for feast, before, after in FIXED]
    spans += [(feast, *around) for feast, around in zip(LUNAR.get(year, ()), AROUND, strict=False)]
    return frozenset(feast + timedelta(days=n) for feast, before, after in spans for n in range(-before, after + 1))
