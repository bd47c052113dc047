"""The demo district: real codes and names, the real points of townships, and synthetic points, units and headcounts.

Whatever is synthetic says so: a scattered village point is `point_source = synthetic`, a unit is a generic kind of
place under its township's name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules, service
from emergency.divisions.imports import import_divisions
from emergency.divisions.models import Division, PointSource, RiskGrade, Unit, UnitKind
from emergency.http.actor import Actor
from kernel.db import Database

FILE = Path(__file__).parent / "data" / "jinghai.csv"
DISTRICT = "120118000000"
POPULATION = 787_106
"""静海区, seventh census."""
RADIUS_M = 3_600.0
_GOLDEN = math.pi * (3 - math.sqrt(5))
_PIECE = 40

# Townships whose point nobody published; the demo puts them near a neighbour's.
_NEAR = {
    "120118001000": ("120118100000", 1_900.0, 0.6),
    "120118002000": ("120118100000", 1_700.0, 3.6),
    "120118400000": ("120118100000", 6_500.0, 5.4),
    "120118402000": ("120118103000", 5_200.0, 4.9),
    "120118403000": ("120118111000", 4_100.0, 2.2),
}


def seed(database: Database) -> None:
    """Load divisions and units. Where there are some already, nothing is done twice."""
    actor = Actor.system("demo")
    import_divisions(database, FILE, actor=actor)
    with database.write() as session:
        _points(session)
        session.execute(sa.update(Division).where(Division.code == DISTRICT).values(population=POPULATION))
    with database.read() as session:
        towns = service.townships(session, DISTRICT)
        known = set(session.scalars(sa.select(Unit.code)))
    wanted = [facts for facts in demo_units(towns) if facts.code not in known]
    for start in range(0, len(wanted), _PIECE):
        with database.write() as session:
            for facts in wanted[start : start + _PIECE]:
                service.create_unit(session, actor=actor, facts=facts)


def scatter(lon: float, lat: float, number: int, of: int, radius_m: float = RADIUS_M) -> tuple[float, float]:
    """The `number`-th of `of` points around a centre, like the seeds of a sunflower: the same every time, none equal."""
    reach = radius_m * math.sqrt((number + 0.5) / of)
    angle = number * _GOLDEN
    per_lon, per_lat = rules.metres_per_degree(lat)
    return round(lon + reach * math.cos(angle) / per_lon, 6), round(lat + reach * math.sin(angle) / per_lat, 6)


def _points(session: Session) -> None:
    towns = {town.code: town for town in service.townships(session, DISTRICT)}
    for code, (neighbour, distance, angle) in _NEAR.items():
        town, near = towns.get(code), towns.get(neighbour)
        if town is not None and town.lat is None and near is not None and near.lon is not None and near.lat is not None:
            per_lon, per_lat = rules.metres_per_degree(near.lat)
            town.lon = round(near.lon + distance * math.cos(angle) / per_lon, 6)
            town.lat = round(near.lat + distance * math.sin(angle) / per_lat, 6)
            town.point_source = PointSource.SYNTHETIC
    below: dict[str, list[Division]] = {}
    for village in service.villages(session, DISTRICT):
        below.setdefault(village.parent_code or "", []).append(village)
    for code, villages in below.items():
        town = towns[code]
        if town.lon is None or town.lat is None:
            continue
        radius = RADIUS_M if len(villages) > 5 else 900.0
        for number, village in enumerate(villages):
            if village.lat is None:
                village.lon, village.lat = scatter(town.lon, town.lat, number, len(villages), radius)
                village.point_source = PointSource.SYNTHETIC


# --- units --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pattern:
    """One generic kind of place: its name after the township's, tags, and how it stands."""

    name: str
    sectors: tuple[str, ...]
    people: int
    grade: RiskGrade | None = None
    key_fire: bool = False
    kind: UnitKind | None = None


_EVERYWHERE = (
    _Pattern("{town}中心小学", ("primary_school",), 620, RiskGrade.LOW),
    _Pattern("{town}中心幼儿园", ("kindergarten",), 210, RiskGrade.LOW),
    _Pattern("{town}卫生院", ("hospital",), 90, RiskGrade.LOW, key_fire=True),
    _Pattern("{town}第一养老院", ("care_home",), 68, RiskGrade.GENERAL, key_fire=True),
    _Pattern("{town}综合市场", ("mall",), 300, RiskGrade.GENERAL),
)
_TOWNS = (
    _Pattern("{town}初级中学", ("middle_school", "boarding_school"), 840, RiskGrade.LOW, key_fire=True),
    _Pattern("{town}加油站", ("hazchem", "flammable_explosive"), 9, RiskGrade.CONSIDERABLE, key_fire=True),
)
_IN_THE_BASIN = (
    _Pattern("{town}东淀扬水站", ("dike",), 6, RiskGrade.CONSIDERABLE),
    _Pattern("{town}敬老院", ("care_home",), 41, RiskGrade.GENERAL, key_fire=True),
)
_OF_ONE: dict[str, tuple[_Pattern, ...]] = {
    "120118100000": (
        _Pattern("静海城区第一中学", ("middle_school",), 2_600, RiskGrade.LOW, key_fire=True),
        _Pattern("静海城区综合医院", ("hospital", "dangerous_goods_user"), 900, RiskGrade.GENERAL, key_fire=True),
        _Pattern("静海城区客运站", ("station",), 260, RiskGrade.GENERAL, key_fire=True),
        _Pattern("静海城区商业综合体", ("commercial_complex", "entertainment"), 3_000, RiskGrade.CONSIDERABLE, key_fire=True),
        _Pattern("静海城区自来水厂", ("water_supply",), 40, RiskGrade.CONSIDERABLE),
        _Pattern("静海城区污水处理厂", ("drainage", "env_risk"), 35, RiskGrade.GENERAL),
        _Pattern("静海城区燃气门站", ("gas",), 18, RiskGrade.MAJOR, key_fire=True),
        _Pattern("静海城区快捷宾馆", ("hotel",), 120, RiskGrade.GENERAL, key_fire=True),
    ),
    "120118002000": (
        _Pattern("朝阳街道高层住宅物业服务站", ("property", "highrise", "elevator"), 1_800, RiskGrade.GENERAL),
        _Pattern("朝阳街道剧本娱乐馆", ("script_game",), 60, RiskGrade.CONSIDERABLE),
        _Pattern("朝阳街道特殊教育学校", ("special_school", "boarding_school"), 150, RiskGrade.GENERAL, key_fire=True),
    ),
    "120118001000": (_Pattern("华康街道社区托育中心", ("nursery",), 60, RiskGrade.LOW),),
    "120118108000": (
        _Pattern("大邱庄镇钢管一厂", ("metal_smelting", "special_equipment", "medium_plus"), 760, RiskGrade.MAJOR),
        _Pattern("大邱庄镇酸洗车间", ("hazchem", "env_risk"), 130, RiskGrade.MAJOR, key_fire=True),
        _Pattern("大邱庄镇气体充装站", ("hazchem", "major_hazard_source"), 26, RiskGrade.MAJOR, key_fire=True),
        _Pattern("大邱庄镇供电所", ("power",), 30, RiskGrade.GENERAL),
    ),
    "120118402000": (
        _Pattern("子牙经开区再生金属厂", ("metal_smelting", "env_risk", "medium_plus"), 420, RiskGrade.CONSIDERABLE),
        _Pattern("子牙经开区危险废物处置站", ("hazchem", "env_risk", "major_hazard_source"), 75, RiskGrade.MAJOR, key_fire=True),
        _Pattern("子牙经开区二期工地", ("construction",), 210, RiskGrade.CONSIDERABLE),
    ),
    "120118400000": (
        _Pattern("高新产业园物流仓库", ("express",), 160, RiskGrade.CONSIDERABLE, key_fire=True),
        _Pattern("高新产业园标准厂房工地", ("construction",), 180, RiskGrade.CONSIDERABLE),
        _Pattern("高新产业园电子厂", ("production", "medium_plus"), 540, RiskGrade.GENERAL),
    ),
    "120118403000": (
        _Pattern("健康示范区康复医院", ("hospital",), 480, RiskGrade.GENERAL, key_fire=True),
        _Pattern("健康示范区高等学校", ("university", "boarding_school"), 6_200, RiskGrade.GENERAL, key_fire=True),
        _Pattern("健康示范区体育场", ("stadium", "mass_event"), 400, RiskGrade.GENERAL, key_fire=True),
    ),
    "120118111000": (
        _Pattern("团泊镇团泊水库管理站", ("reservoir",), 24, RiskGrade.CONSIDERABLE),
        _Pattern("团泊镇湖滨景区", ("scenic_area",), 700, RiskGrade.GENERAL, key_fire=True),
        _Pattern("团泊镇第二养老院", ("care_home",), 120, RiskGrade.GENERAL, key_fire=True),
    ),
    "120118101000": (
        _Pattern("唐官屯镇化工仓储站", ("hazchem", "major_hazard_source"), 44, RiskGrade.MAJOR, key_fire=True),
        _Pattern("唐官屯镇运河闸站", ("dike",), 5, RiskGrade.GENERAL),
    ),
    "120118107000": (_Pattern("中旺镇烟花爆竹储存库", ("flammable_explosive",), 8, RiskGrade.MAJOR, key_fire=True),),
    "120118105000": (_Pattern("子牙镇子牙河闸站", ("dike",), 6, RiskGrade.GENERAL),),
}  # fmt: skip
BASIN = ("120118102000", "120118103000", "120118104000")
"""独流、王口、台头: the townships in the 东淀 flood detention basin."""


def demo_units(towns: list[Division]) -> Iterator[service.UnitFacts]:
    """About 180 units over the townships, the same every time; codes JH0001 and on."""
    serial = 0
    for town in towns:
        patterns = [*_EVERYWHERE]
        if town.kind in ("镇", "乡"):
            patterns += _TOWNS
        if town.code in BASIN:
            patterns += _IN_THE_BASIN
        patterns += _OF_ONE.get(town.code, ())
        for place, pattern in enumerate(patterns):
            serial += 1
            yield _unit(town, pattern, serial, place)


def _unit(town: Division, pattern: _Pattern, serial: int, place: int) -> service.UnitFacts:
    spread = 0.75 + (serial * 37 % 50) / 100
    facts = service.UnitFacts(
        code=f"JH{serial:04d}",
        name=pattern.name.format(town=_short(town.name)),
        division_code=town.code,
        sectors=pattern.sectors,
        kind=pattern.kind,
        risk_grade=pattern.grade,
        key_fire=pattern.key_fire,
        low_lying=town.code in BASIN and serial % 3 != 0,
        crowded="crowded_place" in rules.widen(pattern.sectors),
        people=round(pattern.people * spread),
        address=f"{town.name}示例路{serial}号",
    )
    if town.lon is None or town.lat is None:
        return facts
    lon, lat = scatter(town.lon, town.lat, place, 14, 1_500.0)
    return replace(facts, lon=lon, lat=lat, point_source=PointSource.SYNTHETIC)


def _short(name: str) -> str:
    return (
        name.removeprefix("天津")
        .replace("子牙经济技术开发区", "子牙经开区")
        .replace("健康产业国际合作示范区", "健康示范区")
    )
