"""The stock as people see it: four sums, imports, what is wrong, the nearest depot."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.supplies import service
from emergency.supplies.defects import defects
from emergency.supplies.exports import COLUMNS, export_supplies
from emergency.supplies.imports import import_supplies
from emergency.supplies.models import DepotKind, Lot, Movement, Ownership
from emergency.supplies.rules import Holding
from kernel.clock import ManualClock
from tests.plans.support import DISTRICT, TAITOU, person
from tests.supplies.conftest import Store

HEAD = [c.key for c in COLUMNS]
ROWS = [
    ["3010101", "编织袋", "条", "中心库", "government", "2511-1", "800", "2025-11-02", "2028-11-02"],
    ["", "救生衣", "件", "台头镇点", "donation", "", "40", "", ""],
]


def sheet(tmp_path: Path, rows: list[list[str]], head: list[str] = HEAD, encoding: str = "utf-8-sig") -> Path:
    path = tmp_path / "stock.csv"
    with path.open("w", encoding=encoding, newline="") as target:
        csv.writer(target).writerows([head, *rows])
    return path


def test_government_stock_commitments_and_gifts_stand_apart(store: Store) -> None:
    with store.database.write() as session:
        for ownership, n in ((Ownership.GOVERNMENT, 5), (Ownership.AGREEMENT, 70), (Ownership.CAPACITY, 30),
                             (Ownership.DONATION, 9), (Ownership.UNIT, 2)):  # fmt: skip
            service.receive(session, actor=store.keeper, depot_id=store.centre, item_id=store.bags,
                            ownership=ownership, number="1", quantity=n)  # fmt: skip
        service.set_safety_level(session, actor=store.keeper, item_id=store.bags, division_code=DISTRICT, quantity=6)
    with store.database.read() as session:
        row = service.stock(session, store.keeper).items[0]
    assert {holding: total.quantity for holding, total in row.sums.items()} == {
        Holding.GOVERNMENT: 5, Holding.COMMITMENT: 100, Holding.DONATION: 9, Holding.OWN: 2,
    }  # fmt: skip
    assert row.short, "a hundred promised bags do not make five bags six"


def test_importing_the_same_file_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    path = sheet(tmp_path, ROWS)
    first = import_supplies(store.database, path, actor=store.keeper)
    again = import_supplies(store.database, path, actor=store.keeper)
    assert (first.rows, first.created, first.errors) == (2, 2, [])
    assert (again.created, again.updated, again.unchanged) == (0, 0, 2)
    with store.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Movement)) == 2


def test_export_then_import_changes_nothing(store: Store, tmp_path: Path) -> None:
    import_supplies(store.database, sheet(tmp_path, ROWS), actor=store.keeper)
    rows = list(export_supplies(store.database, actor=Actor.system("test")))
    assert [list(row) for row in rows] == [HEAD, HEAD]
    report = import_supplies(
        store.database, sheet(tmp_path, [[str(v) for v in row.values()] for row in rows]), actor=store.keeper
    )
    assert (report.unchanged, report.created, report.updated, report.errors) == (2, 0, 0, [])


def test_a_changed_quantity_becomes_a_movement_and_the_rest_stays(store: Store, tmp_path: Path) -> None:
    import_supplies(store.database, sheet(tmp_path, ROWS), actor=store.keeper)
    changed = [[*ROWS[0][:6], "750", *ROWS[0][7:]], ROWS[1]]
    report = import_supplies(store.database, sheet(tmp_path, changed), actor=store.keeper)
    assert (report.updated, report.unchanged) == (1, 1)
    with store.database.read() as session:
        assert service.stock(session, store.keeper, q="编织袋").items[0].sums[Holding.GOVERNMENT].quantity == 750
        assert service.imbalances(session) == []


def test_a_dry_run_says_what_it_would_do_and_does_nothing(store: Store, tmp_path: Path) -> None:
    report = import_supplies(store.database, sheet(tmp_path, ROWS), actor=store.keeper, dry_run=True)
    assert (report.rows, report.created) == (2, 2)
    with store.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Lot)) == 0


def test_chinese_headings_and_gb18030_are_read(store: Store, tmp_path: Path) -> None:
    head = ["物资编码", "物资名称", "单位", "仓库", "储备形式", "批号", "数量", "生产日期", "有效期至", "备注"]
    rows = [[*ROWS[0][:4], "政府储备", *ROWS[0][5:], "x"]]
    report = import_supplies(store.database, sheet(tmp_path, rows, head, "gb18030"), actor=store.keeper)
    assert report.created == 1 and report.ignored_columns == ["备注"]


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        (0, "9010101", "bad_item_code"), (3, "没有的库", "unknown_depot"), (4, "谁的", "unknown_ownership"),
        (6, "12.5", "bad_quantity"), (6, "-1", "bad_quantity"), (7, "去年", "bad_date"), (1, "", "required"),
        (8, "2020-01-01", "bad_dates"), (2, "吨", "item_differs"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_and_the_others_are_kept(
    store: Store, tmp_path: Path, column: int, value: str, code: str
) -> None:
    bad = list(ROWS[0])
    bad[column] = value
    report = import_supplies(store.database, sheet(tmp_path, [bad, ROWS[1]]), actor=store.keeper)
    assert report.created == 1
    assert [(error.row, error.code) for error in report.errors] == [(2, code)]


def test_a_count_books_the_differences_and_only_those(store: Store) -> None:
    with store.database.write() as session:
        lots = [
            service.receive(session, actor=store.keeper, depot_id=store.centre, item_id=store.bags,
                            ownership=Ownership.GOVERNMENT, number=str(n), quantity=10).lot_id
            for n in range(3)
        ]  # fmt: skip
        _record, differing = service.count(
            session, actor=store.keeper, depot_id=store.centre, counted={lots[0]: 10, lots[1]: 7, lots[2]: 12}
        )
    assert differing == 2
    with store.database.read() as session:
        held = {h.lot.id: h.quantity for h in service.depot_lots(session, actor=store.keeper, depot_id=store.centre)}
        assert [held[lot] for lot in lots] == [10, 7, 12] and service.imbalances(session) == []


def test_what_is_wrong_with_the_stock_today(store: Store, clock: ManualClock) -> None:
    today = clock.now().date()

    def lot(session: Any, number: str, days: int) -> None:
        service.receive(session, actor=store.keeper, depot_id=store.centre, item_id=store.bags,
                        ownership=Ownership.GOVERNMENT, number=number, quantity=1,
                        expires_on=today + timedelta(days=days))  # fmt: skip

    with store.database.write() as session:
        for number, days in (("a", -1), ("b", 30), ("c", 80), ("d", 400)):
            lot(session, number, days)
        service.set_safety_level(session, actor=store.keeper, item_id=store.bags, division_code=DISTRICT, quantity=5)
        wholesale = service.add_depot(session, actor=store.keeper, name="商超", kind=DepotKind.AGREEMENT,
                                      division_code=DISTRICT)  # fmt: skip
        for number, ends, asked in (("1", today - timedelta(days=1), today), ("2", today + timedelta(days=90), None),
                                    ("3", today + timedelta(days=90), today)):  # fmt: skip
            service.add_agreement(
                session, actor=store.keeper, number=number, enterprise="商超", depot_id=wholesale.id,
                division_code=DISTRICT, item_id=store.bags, quantity=10, deliver_hours=6, price_rule="",
                valid_from=today - timedelta(days=365), valid_to=ends, last_verified_on=asked,
            )  # fmt: skip
    with store.database.read() as session:
        found = sorted(d.rule for d in defects(session, clock.now()))
    assert found == [
        "agreement_ended", "agreement_unverified", "depot_without_keeper", "depot_without_keeper", "stock_expired",
        "stock_expiring", "stock_rotate", "stock_short",
    ]  # fmt: skip


def test_the_nearest_depot_that_has_it_comes_first(store: Store) -> None:
    with store.database.write() as session:
        service.receive(session, actor=store.keeper, depot_id=store.centre, item_id=store.bags,
                        ownership=Ownership.GOVERNMENT, number="1", quantity=3)  # fmt: skip
    with store.database.read() as session:
        near = service.nearest(session, actor=store.keeper, lat=39.04, lon=116.81)
        having = service.nearest(session, actor=store.keeper, lat=39.04, lon=116.81, item_id=store.bags)
    assert [depot.id for depot, _km in near] == [store.town, store.centre]
    assert near[0][1] < 0.1 < near[1][1] < 30
    assert [depot.id for depot, _km in having] == [store.centre]


def test_a_township_sees_its_own_stock_only(store: Store) -> None:
    local = person(Role.STOREKEEPER, division=TAITOU, id=8)
    with store.database.write() as session:
        for depot, n in ((store.centre, 500), (store.town, 20)):
            service.receive(session, actor=store.keeper, depot_id=depot, item_id=store.bags,
                            ownership=Ownership.GOVERNMENT, number="1", quantity=n)  # fmt: skip
    with store.database.read() as session:
        assert service.stock(session, local).items[0].sums[Holding.GOVERNMENT].quantity == 20
        assert [depot.id for depot, _lots in service.depots(session, actor=local)] == [store.town]


def test_a_lot_gets_its_expiry_from_the_shelf_life_and_never_two_ages(store: Store) -> None:
    from kernel.errors import Conflict

    with store.database.write() as session:
        movement = service.receive(session, actor=store.keeper, depot_id=store.centre, item_id=store.bags,
                                   ownership=Ownership.GOVERNMENT, number="1", quantity=3,
                                   made_on=date(2025, 8, 31))  # fmt: skip
        assert session.get_one(Lot, movement.lot_id).expires_on == date(2028, 8, 31)
    with pytest.raises(Conflict) as refused, store.database.write() as session:
        service.receive(session, actor=store.keeper, depot_id=store.centre, item_id=store.bags,
                        ownership=Ownership.GOVERNMENT, number="1", quantity=3, made_on=date(2026, 1, 1))  # fmt: skip
    assert refused.value.code == "lot_dates_differ"
