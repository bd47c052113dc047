"""The demo's stock: twelve depots, some forty items, about two hundred lots with expiries around today.

Item names are those of public lists; quantities, shelf lives and makers are invented for the demonstration, and so
are the codes (the national table is not published; a bureau enters its own).
"""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa

from emergency.divisions.models import Division
from emergency.http.actor import Actor
from emergency.people.posts import service as posts
from emergency.people.posts.models import Duty
from emergency.supplies import rules, service
from emergency.supplies.models import Depot, DepotKind, Item, Lot, Ownership
from emergency.supplies.queries import today
from kernel.db import Database

ACTOR = Actor.system("demo")
DISTRICT = "120118000000"
G, A, C, T, U = DepotKind.GOVERNMENT, DepotKind.AGREEMENT, DepotKind.CAPACITY, DepotKind.TOWNSHIP, DepotKind.UNIT

# name, kind, division, offset from the division's point (degrees)
DEPOTS: tuple[tuple[str, DepotKind, str, float, float], ...] = (
    ("区级应急物资中心库", G, "120118100000", 0.004, 0.006),
    ("区防汛物资东库", G, "120118111000", -0.006, 0.004),
    ("区救灾物资分库", G, "120118108000", 0.005, -0.004),
    ("台头镇防汛物资储备点", T, "120118104000", 0.002, 0.001),
    ("独流镇防汛物资储备点", T, "120118102000", 0.001, -0.002),
    ("王口镇防汛物资储备点", T, "120118103000", -0.001, 0.002),
    ("唐官屯镇物资储备点", T, "120118101000", 0.002, 0.002),
    ("子牙镇物资储备点", T, "120118105000", 0.001, 0.001),
    ("静海综合商超协议储备点", A, "120118100000", -0.008, -0.005),
    ("团泊建材协议储备点", A, "120118111000", 0.009, 0.003),
    ("大邱庄帐篷产能企业", C, "120118108000", -0.007, 0.008),
    ("东淀扬水站自备库", U, "120118104000", -0.004, -0.003),
)
# code, name, unit, shelf life in months, base quantity of a lot
ITEMS: tuple[tuple[str, str, str, int | None, int], ...] = (
    ("1010101", "棉被", "条", 96, 300), ("1010102", "毛毯", "条", 96, 300), ("1010103", "折叠床", "张", 120, 80),
    ("1010201", "帐篷（单）", "顶", 96, 40), ("1010202", "帐篷（棉）", "顶", 96, 20), ("1010301", "冲锋衣", "件", 60, 120),
    ("1010302", "雨衣", "件", 60, 200), ("1010303", "胶靴", "双", 60, 200), ("1020101", "瓶装饮用水", "箱", 12, 400),
    ("1020201", "方便食品", "箱", 6, 300), ("1020202", "压缩饼干", "箱", 24, 160), ("1030101", "家庭生活应急包", "个", 36, 150),
    ("1040101", "一次性医用外科口罩", "只", 24, 5000), ("1040102", "消毒液", "桶", 18, 120), ("1040201", "急救包", "个", 36, 90),
    ("1040202", "净水片", "盒", 36, 100), ("2010101", "救生衣", "件", 60, 260), ("2010102", "救生圈", "只", 72, 120),
    ("2010201", "橡皮舟", "艘", 96, 6), ("2010202", "冲锋舟", "艘", 120, 3), ("2010203", "嵌入组合式防汛抢险舟", "艘", 120, 2),
    ("2020101", "应急灯", "盏", 48, 90), ("2020102", "抢险照明车", "台", None, 1), ("2020103", "强光手电", "支", 48, 140),
    ("2030101", "汽柴油发电机组", "台", 120, 4), ("2030102", "大功率水泵", "台", 120, 6), ("2030103", "深井泵", "台", 120, 3),
    ("2040101", "对讲机", "部", 60, 30), ("2040102", "卫星电话", "部", 72, 2), ("2040103", "手摇报警器", "台", 96, 18),
    ("2050101", "干粉灭火器", "具", 60, 90), ("2050102", "防毒面具", "具", 60, 60), ("2060101", "管涌检测仪", "台", 84, 1),
    ("3010101", "编织袋", "条", 36, 8000), ("3010102", "复膜编织布", "平方米", 48, 3000),
    ("3010103", "防管涌土工滤垫", "平方米", 60, 800), ("3010104", "橡胶子堤", "米", 84, 300),
    ("3010105", "吸水速凝挡水子堤", "米", 36, 260), ("3010106", "铅丝网片", "片", None, 400),
    ("3010107", "快速膨胀堵漏袋", "个", 36, 300), ("3020101", "打桩机", "台", 120, 2), ("3020102", "移动净水设备", "套", 96, 2),
)  # fmt: skip
OWNERSHIP = {G: Ownership.GOVERNMENT, T: Ownership.GOVERNMENT, A: Ownership.AGREEMENT, C: Ownership.CAPACITY,
             U: Ownership.UNIT}  # fmt: skip
AGREED = ("瓶装饮用水", "方便食品", "压缩饼干", "毛毯", "消毒液")
BUILDING = ("编织袋", "复膜编织布", "铅丝网片", "大功率水泵")
TENTS = ("帐篷（单）", "帐篷（棉）", "折叠床")
AT_TOWNS = ("编织袋", "救生衣", "雨衣", "胶靴", "应急灯", "强光手电", "手摇报警器", "铅丝网片", "大功率水泵", "救生圈")


def seed(database: Database, *, scale: int = 1) -> None:
    """Load the stock; where there is some already, nothing is done."""
    with database.read() as session:
        if session.scalar(sa.select(Item.id).limit(1)) is not None:
            return
        now = today(session)
        points = {
            row.code: (row.lat, row.lon)
            for row in session.execute(sa.select(Division.code, Division.lat, Division.lon))
        }
        keepers = {
            post.division_code: post.id
            for post in posts.find_posts(session, [DISTRICT], duties=[Duty.KEEPER])
            if post.unit_id is None
        }
    with database.write() as session:
        items = {
            name: service.add_item(session, actor=ACTOR, name=name, unit=unit, code=code, shelf_life_months=shelf)
            for code, name, unit, shelf, _base in ITEMS
        }
        depots: dict[str, Depot] = {}
        for name, kind, code, north, east in DEPOTS:
            lat, lon = points.get(code, (None, None))
            depots[name] = service.add_depot(
                session, actor=ACTOR, name=name, kind=kind, division_code=code,
                lat=round(lat + north, 6) if lat is not None else None,
                lon=round(lon + east, 6) if lon is not None else None,
                keeper_post_id=keepers.get(code, keepers.get(DISTRICT)) if kind in (G, T) else None,
            )  # fmt: skip
    base = {name: quantity for _c, name, _u, _s, quantity in ITEMS}
    for depot_number, (name, kind, _code, _n, _e) in enumerate(DEPOTS):
        chosen = {A: AGREED if "商超" in name else BUILDING, C: TENTS, T: AT_TOWNS, U: AT_TOWNS[:4]}.get(
            kind, tuple(base)
        )
        with database.write() as session:
            for number, item_name in enumerate(chosen):
                if kind is G and (number + depot_number) % 3 == 2:
                    continue  # not every depot holds everything
                for batch in range(2 if kind in (G, T) else 1):
                    made = _made_on(now, items[item_name], depot_number * 7 + number * 3 + batch * 11)
                    service.receive(
                        session, actor=ACTOR, depot_id=depots[name].id, item_id=items[item_name].id,
                        ownership=OWNERSHIP[kind], number=f"{made:%y%m}-{depot_number + 1:02d}{batch + 1}",
                        quantity=max(1, base[item_name] * (2 if kind in (A, C) else 1) // (1 if kind is G else 2)),
                        made_on=made, maker="演示生产厂", reason="演示入库",
                    )  # fmt: skip
    _agreements(database, now, items, depots)
    _donation_and_life(database, items, depots)


def _made_on(now: date, item: Item, step: int) -> date:
    """Spread so that most are good, some are due for rotation or expire soon, and a few have expired."""
    if item.shelf_life_months is None:
        return now - timedelta(days=400 + step)
    life = (rules.expiry(now, item.shelf_life_months) - now).days
    share = (step * 37 % 100) / 100
    left = int(life * (0.15 + 0.8 * share)) if step % 9 else (-20 if step % 2 else 35)
    return now + timedelta(days=left - life)


def _agreements(database: Database, now: date, items: dict[str, Item], depots: dict[str, Depot]) -> None:
    wholesale, building, tents = (
        depots["静海综合商超协议储备点"],
        depots["团泊建材协议储备点"],
        depots["大邱庄帐篷产能企业"],
    )
    rows = (
        (wholesale, "静海综合商超", "瓶装饮用水", 2000, 6, 300, 40),
        (wholesale, "静海综合商超", "方便食品", 1500, 6, 300, 40),
        (wholesale, "静海综合商超", "压缩饼干", 800, 8, -20, 300),
        (building, "团泊建材", "编织袋", 30000, 12, 180, 250),
        (building, "团泊建材", "复膜编织布", 8000, 12, 180, 60),
        (tents, "大邱庄帐篷", "帐篷（单）", 200, 72, 420, 20),
    )
    with database.write() as session:
        for number, (depot, enterprise, item, quantity, hours, left, asked) in enumerate(rows, start=1):
            valid_to = now + timedelta(days=left)
            service.add_agreement(
                session, actor=ACTOR, number=f"演示协议{number:02d}", enterprise=enterprise, depot_id=depot.id,
                division_code=depot.division_code, item_id=items[item].id, quantity=quantity, deliver_hours=hours,
                price_rule="按调用当日市场价结算", valid_from=valid_to - timedelta(days=730), valid_to=valid_to,
                last_verified_on=now - timedelta(days=asked),
            )  # fmt: skip
        for name, quantity in (("编织袋", 60000), ("救生衣", 900), ("帐篷（单）", 400), ("大功率水泵", 12), ("棉被", 900),
                               ("冲锋舟", 20), ("橡皮舟", 15), ("应急灯", 300)):  # fmt: skip
            service.set_safety_level(
                session, actor=ACTOR, item_id=items[name].id, division_code=DISTRICT, quantity=quantity
            )


def _donation_and_life(database: Database, items: dict[str, Item], depots: dict[str, Depot]) -> None:
    """A donation, some goods moved and issued, a promise, a write-off that waits for another person."""
    centre, town = depots["区级应急物资中心库"], depots["台头镇防汛物资储备点"]
    with database.write() as session:
        for name, quantity in (("毛毯", 260), ("瓶装饮用水", 500), ("家庭生活应急包", 80)):
            service.receive(
                session, actor=ACTOR, depot_id=centre.id, item_id=items[name].id, ownership=Ownership.DONATION,
                number="捐赠2026-1", quantity=quantity, reason="演示：社会捐赠，定向用于转移安置",
                made_on=today(session) - timedelta(days=60),
            )  # fmt: skip
        good = [
            held
            for held in service.depot_lots(session, actor=ACTOR, depot_id=centre.id)
            if held.shelf is rules.Shelf.FRESH and held.lot.ownership is Ownership.GOVERNMENT
        ]
        bags = next(held for held in good if held.quantity >= 40)
        service.move(
            session, actor=ACTOR, lot_id=bags.lot.id, from_depot_id=centre.id, to_depot_id=town.id,
            quantity=bags.quantity // 4, reason="汛前前置",
        )  # fmt: skip
        service.issue(
            session, actor=ACTOR, lot_id=bags.lot.id, depot_id=centre.id, quantity=bags.quantity // 10,
            reason="防汛演练领用",
        )  # fmt: skip
        other = next(held for held in good if held.lot.id != bags.lot.id and held.quantity >= 20)
        service.reserve(
            session, actor=ACTOR, lot_id=other.lot.id, depot_id=centre.id, quantity=other.quantity // 5,
            holder=("demo", 1),
        )  # fmt: skip
        expired = session.scalar(sa.select(Lot).where(Lot.expires_on < today(session)).order_by(Lot.id))
        if expired is not None:
            held = service.lot_places(session, actor=ACTOR, lot_id=expired.id)[0]
            service.request_write_off(
                session, actor=ACTOR, lot_id=expired.id, depot_id=held.depot.id, quantity=held.free, reason="已过期"
            )
