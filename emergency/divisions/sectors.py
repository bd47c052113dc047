"""One vocabulary of sector tags, and the table that ties every word of the drill rules to it.

A unit carries tags of `SECTORS`; a rule of law names whom it applies to in words of its own (`rules.yaml`,
`applies_to`). `APPLIES_TO` says for each of those words which tags it means, or that it speaks of a division or of a
plan and not of a unit. A test holds that no word of the rules is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from emergency.divisions.models import UnitKind

K = UnitKind


@dataclass(frozen=True)
class Sector:
    """One tag: its words, the kind of unit that it makes, and the wider tags that it implies."""

    code: str
    zh: str
    en: str
    kind: UnitKind
    implies: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    def label(self, language: str = "zh") -> str:
        """The word for people."""
        return self.en if language.startswith("en") else self.zh


def _vocabulary(*sectors: Sector) -> dict[str, Sector]:
    return {sector.code: sector for sector in sectors}


SECTORS: Mapping[str, Sector] = _vocabulary(
    Sector("school", "学校", "School", K.SCHOOL, aliases=("中小学",)),
    Sector("primary_school", "小学", "Primary school", K.SCHOOL, ("school", "crowded_place")),
    Sector("middle_school", "中学", "Middle school", K.SCHOOL, ("school", "crowded_place"), ("初中", "高中")),
    Sector("boarding_school", "寄宿制学校", "Boarding school", K.SCHOOL, ("school",), ("寄宿学校",)),
    Sector("special_school", "特殊教育学校", "Special school", K.SCHOOL, ("school",), ("特教学校",)),
    Sector("school_bus", "有校车", "Runs school buses", K.SCHOOL, aliases=("校车",)),
    Sector("university", "高等学校", "University", K.SCHOOL, ("school", "crowded_place"), ("大学", "高校")),
    Sector("kindergarten", "幼儿园", "Kindergarten", K.KINDERGARTEN, ("crowded_place",)),
    Sector("nursery", "托育机构", "Nursery", K.KINDERGARTEN, aliases=("托儿所",)),
    Sector("hospital", "医院", "Hospital", K.HOSPITAL, ("medical", "crowded_place"), ("卫生院",)),
    Sector("medical", "医疗机构", "Medical institution", K.HOSPITAL, aliases=("诊所", "卫生室", "社区卫生服务中心")),
    Sector("care_home", "养老机构", "Care home", K.CARE_HOME, ("welfare", "crowded_place"), ("养老院", "敬老院")),
    Sector("welfare", "福利机构", "Welfare institution", K.CARE_HOME, aliases=("福利院",)),
    Sector("research", "科研机构", "Research institute", K.ENTERPRISE),
    Sector("dangerous_goods_user", "储存使用危险物品", "Stores or uses dangerous goods", K.ENTERPRISE),
    Sector("production", "生产经营单位", "Production or business unit", K.ENTERPRISE, aliases=("企业", "工厂")),
    Sector("medium_plus", "中型以上规模", "Medium-sized or larger", K.ENTERPRISE, ("production",)),
    Sector("flammable_explosive", "易燃易爆物品", "Flammables and explosives", K.HAZCHEM, ("high_risk",)),
    Sector("hazchem", "危险化学品", "Hazardous chemicals", K.HAZCHEM, ("high_risk",), ("危化品",)),
    Sector("major_hazard_source", "重大危险源", "Major hazard source", K.HAZCHEM, ("hazchem",)),
    Sector("mine", "矿山", "Mine", K.MINE, ("high_risk",)),
    Sector("coal_mine", "煤矿", "Coal mine", K.MINE, ("mine",)),
    Sector("metal_smelting", "金属冶炼", "Metal smelting", K.ENTERPRISE, ("high_risk",)),
    Sector("construction", "建筑施工", "Construction", K.CONSTRUCTION, ("high_risk",), ("建设工地", "工地")),
    Sector("high_risk", "高危行业", "High-risk trade", K.ENTERPRISE, ("production",)),
    Sector("hotel", "宾馆", "Hotel", K.MALL, ("production", "crowded_place"), ("酒店", "旅馆")),
    Sector("mall", "商场", "Shopping mall", K.MALL, ("production", "crowded_place"), ("超市", "市场")),
    Sector("commercial_complex", "大型商业综合体", "Large commercial complex", K.MALL, ("mall",)),
    Sector("entertainment", "娱乐场所", "Entertainment", K.MALL, ("production", "crowded_place"), ("影院", "网吧")),
    Sector("script_game", "剧本娱乐与密室", "Scripted play, escape room", K.MALL, ("entertainment",), ("密室逃脱",)),
    Sector("scenic_area", "旅游景区", "Scenic area", K.MALL, ("production", "crowded_place"), ("景区",)),
    Sector("crowded_operator", "其他人员密集经营单位", "Other crowded firm", K.MALL, ("production", "crowded_place")),
    Sector("stadium", "体育场馆", "Stadium", K.OTHER, ("crowded_place",), ("体育馆",)),
    Sector("mass_event", "大型活动承办", "Mass event organiser", K.OTHER, aliases=("大型群众性活动",)),
    Sector("custody", "监管场所", "Custody", K.OTHER, aliases=("看守所",)),
    Sector("station", "车站港口机场", "Station, port, airport", K.UTILITY, ("crowded_place",), ("车站", "客运站")),
    Sector("crowded_place", "人员密集场所", "Crowded place", K.OTHER),
    Sector("key_fire", "消防安全重点单位", "Key fire safety unit", K.OTHER, aliases=("消防重点单位",)),
    Sector("key_target", "反恐重点目标", "Counter-terrorism key target", K.OTHER),
    Sector("reservoir", "水库", "Reservoir", K.RESERVOIR, aliases=("蓄滞洪区",)),
    Sector("dike", "堤防闸站", "Dike, sluice, pump", K.RESERVOIR, aliases=("堤防", "泵站", "闸站", "扬水站")),
    Sector("geo_hazard", "地质灾害隐患点", "Geological hazard point", K.OTHER),
    Sector("gas", "燃气经营", "Gas supplier", K.UTILITY, ("high_risk", "lifeline"), ("燃气",)),
    Sector("pipeline", "油气管道", "Oil and gas pipeline", K.UTILITY, ("high_risk",)),
    Sector("power", "电力企业", "Power company", K.UTILITY, ("production", "lifeline"), ("供电",)),
    Sector("drainage", "排水与污水处理", "Drainage and sewage", K.UTILITY, ("production", "lifeline"), ("污水处理",)),
    Sector("water_supply", "饮用水供水", "Drinking water", K.UTILITY, ("production", "lifeline"), ("自来水", "供水")),
    Sector("lifeline", "生命线工程", "Lifeline utility", K.UTILITY),
    Sector("public_transport", "公共交通", "Public transport", K.UTILITY, ("production",), ("公交",)),
    Sector("urban_rail", "城市轨道交通", "Urban rail", K.UTILITY, ("public_transport", "high_risk"), ("地铁",)),
    Sector("express", "快递企业", "Express company", K.ENTERPRISE, ("production",), ("快递", "物流")),
    Sector("env_risk", "环境风险单位", "Environmental risk", K.ENTERPRISE, ("production",)),
    Sector("special_equipment", "特种设备使用", "Uses special equipment", K.ENTERPRISE, aliases=("特种设备",)),
    Sector("special_equipment_safety", "设特种设备安全机构", "Has a special equipment safety department", K.ENTERPRISE,
           ("special_equipment",)),
    Sector("elevator", "电梯使用", "Uses lifts", K.OTHER, aliases=("电梯",)),
    Sector("elevator_maintenance", "电梯维保", "Maintains lifts", K.ENTERPRISE, ("production",)),
    Sector("highrise", "高层民用建筑", "High-rise building", K.RESIDENTIAL, aliases=("高层建筑",)),
    Sector("highrise_100m", "百米以上公共高层", "Public high-rise over 100 m", K.OFFICE, ("highrise",)),
    Sector("highrise_subplan", "编有分预案的高层单位", "High-rise unit with a sub-plan", K.OFFICE, ("highrise",)),
    Sector("property", "住宅物业服务", "Residential property service", K.RESIDENTIAL, aliases=("物业",)),
    Sector("cii", "关键信息基础设施", "Critical information infrastructure", K.OTHER),
    Sector("important_data", "重要数据处理者", "Important data processor", K.OTHER),
    Sector("animal_epidemic_team", "动物疫情应急预备队", "Animal epidemic reserve", K.OFFICE),
    Sector("social_organisation", "社会组织", "Social organisation", K.OFFICE),
    Sector("county_government", "区人民政府", "District government", K.OFFICE, ("government",)),
    Sector("government", "行政机关", "Government body", K.OFFICE, aliases=("机关",)),
    Sector("department", "区政府部门", "District department", K.OFFICE, ("government",)),
    Sector("emergency_department", "应急管理部门", "Emergency department", K.OFFICE, ("department", "government")),
    Sector("health_department", "卫生健康部门", "Health department", K.OFFICE, ("department", "government")),
    Sector("flood_headquarters", "防汛指挥机构", "Flood headquarters", K.OFFICE, ("government",)),
    Sector("town_government", "镇乡人民政府", "Township government", K.OFFICE, ("government",)),
    Sector("street_office", "街道办事处", "Street office", K.OFFICE, ("government",)),
    Sector("village_committee", "村民委员会", "Village committee", K.OFFICE, aliases=("村委会",)),
    Sector("residents_committee", "居民委员会", "Residents' committee", K.OFFICE, aliases=("居委会",)),
)  # fmt: skip

UNIT, PLAN = "unit", "plan"
ANY_UNIT = "*"
"""In `Applies.sectors`: every unit, whatever its tags."""
REST = "~"
"""In `Applies.sectors`: every unit that is no key fire unit (公安部令61号 art. 40 speaks of “other units”)."""


@dataclass(frozen=True)
class Applies:
    """Whom one word of the rules means: units that carry any of the groups (all tags of a group), or a kind of plan."""

    groups: tuple[frozenset[str], ...]
    subject: str = UNIT

    @property
    def sectors(self) -> frozenset[str]:
        """Every tag that the word can mean."""
        return frozenset().union(*self.groups) if self.groups else frozenset()


def _any(*tags: str) -> Applies:
    return Applies(tuple(frozenset({tag}) for tag in tags))


def _all(*tags: str) -> Applies:
    return Applies((frozenset(tags),))


_ABOUT_A_PLAN = Applies((), PLAN)
APPLIES_TO: Mapping[str, Applies] = {
    "all_production_units": _any("production"),
    "animal_epidemic_reserve_team": _any("animal_epidemic_team"),
    "boarding_school": _any("boarding_school"),
    "boarding_students": _any("boarding_school"),
    "cii_operator": _any("cii"),
    "city_bus_rail_company": _any("public_transport"),
    "coal_mine": _any("coal_mine"),
    "construction": _any("construction"),
    "county_gov": _any("county_government"),
    "county_gov_plan": _ABOUT_A_PLAN,
    "county_safety_dept": _any("emergency_department"),
    "crowded_place": _any("crowded_place"),
    "custody": _any("custody"),
    "dept": _any("department"),
    "dept_plan": _ABOUT_A_PLAN,
    "dike": _any("dike"),
    "district_dept_this_system": _any("emergency_department"),
    "district_general_plan": _ABOUT_A_PLAN,
    "drainage_sewage_operator": _any("drainage"),
    "drinking_water_supplier": _any("water_supply"),
    "elderly_care_home": _any("care_home"),
    "elderly_home": _any("care_home"),
    "elevator_maintainer": _any("elevator_maintenance"),
    "elevator_user_public_or_home": _any("elevator"),
    "emergency_dept": _any("emergency_department"),
    "entertainment": _any("entertainment"),
    "env_risk_unit": _any("env_risk"),
    "escape_room": _any("script_game"),
    "express_company": _any("express"),
    "fire_key_unit": _any("key_fire"),
    "flammable_explosive": _any("flammable_explosive"),
    "flood_hq": _any("flood_headquarters"),
    "gas_operator": _any("gas"),
    "geo_hazard_point": _any("geo_hazard"),
    "gov": _any("government"),
    "gov_special_plan": _ABOUT_A_PLAN,
    "hazardous_unit": _any("high_risk", "dangerous_goods_user"),
    "hazchem_major_hazard_source": _any("major_hazard_source"),
    "hazchem_make_trade_store_transport": _any("hazchem"),
    "health_dept": _any("health_department"),
    "highrise_civil_building": _any("highrise"),
    "highrise_units_with_subplans": _any("highrise_subplan"),
    "highrisk_production_unit": _any("high_risk"),
    "highrisk_unit": _any("high_risk"),
    "hospital": _any("hospital"),
    "hospital storing_or_using dangerous goods": _all("hospital", "dangerous_goods_user"),
    "research storing_or_using dangerous goods": _all("research", "dangerous_goods_user"),
    "school storing_or_using dangerous goods": _all("school", "dangerous_goods_user"),
    "hotel": _any("hotel"),
    "important_data_processor": _any("important_data"),
    "key_target": _any("key_target"),
    "kindergarten": _any("kindergarten"),
    "large_commercial_complex": _any("commercial_complex"),
    "large_mass_event_organiser": _any("mass_event"),
    "lifeline_utility": _any("lifeline"),
    "local_gov": _any("county_government", "town_government", "street_office"),
    "mall": _any("mall"),
    "medical": _any("medical"),
    "medical_institution": _any("medical"),
    "medium_plus_unit": _any("medium_plus"),
    "metal_smelting": _any("metal_smelting"),
    "middle_school": _any("middle_school"),
    "mine": _any("mine"),
    "nursery": _any("nursery"),
    "oil_gas_pipeline": _any("pipeline"),
    "other_crowded_operator": _any("crowded_operator"),
    "other_units": _any(REST),
    "power_company": _any("power"),
    "primary_school": _any("primary_school"),
    "prone_area_gov": _any("county_government", "town_government", "street_office"),
    "property_service_residential": _any("property"),
    "public_highrise_over_100m": _any("highrise_100m"),
    "public_transport": _any("public_transport"),
    "research": _any("research"),
    "reservoir": _any("reservoir"),
    "residents_committee": _any("residents_committee"),
    "scenic_area": _any("scenic_area"),
    "school": _any("school"),
    "school_with_bus": _any("school_bus"),
    "schools_all": _any("school", "kindergarten"),
    "schools_all_levels": _any("school", "kindergarten"),
    "script_entertainment": _any("script_game"),
    "social_org": _any("social_organisation"),
    "special_equipment_user": _any("special_equipment"),
    "special_equipment_user_with_safety_dept": _any("special_equipment_safety"),
    "special_school": _any("special_school"),
    "stadium": _any("stadium"),
    "station_port_airport": _any("station"),
    "street": _any("street_office"),
    "town": _any("town_government"),
    "unit": _any(ANY_UNIT),
    "units": _any(ANY_UNIT),
    "university_fire_key_unit": _all("university", "key_fire"),
    "urban_rail": _any("urban_rail"),
    "urban_rail_operator": _any("urban_rail"),
    "village": _any("village_committee"),
    "village_committee": _any("village_committee"),
    "welfare": _any("welfare"),
}


def widen(tags: Iterable[str], *, crowded: bool = False, key_fire: bool = False) -> frozenset[str]:
    """The tags of a unit with everything that they imply; its two flags are tags too."""
    waiting = [*tags, *(["crowded_place"] if crowded else []), *(["key_fire"] if key_fire else [])]
    known: set[str] = set()
    while waiting:
        tag = waiting.pop()
        if tag not in known and tag in SECTORS:
            known.add(tag)
            waiting.extend(SECTORS[tag].implies)
    return frozenset(known)


def applies(word: str, tags: frozenset[str]) -> bool:
    """Whether a rule that names `word` means a unit with these (widened) tags. An unknown word is a KeyError."""
    for group in APPLIES_TO[word].groups:
        if group == {ANY_UNIT} or (group == {REST} and "key_fire" not in tags):
            return True
        if group <= tags:
            return True
    return False


def kind_of(tags: Iterable[str]) -> UnitKind:
    """The kind of unit that the first tag makes; `other` where there is none."""
    return next((SECTORS[tag].kind for tag in tags if tag in SECTORS), UnitKind.OTHER)


_SPLIT = re.compile(r"[;；,，、|/\s]+")
_WORDS = {
    word.casefold(): sector.code
    for sector in SECTORS.values()
    for word in (*sector.aliases, sector.zh, sector.en, sector.code)
}


def parse(text: str) -> tuple[list[str], list[str]]:
    """Tags from what a file says (`小学;寄宿制学校` or codes), in its order, and the words that nobody knows."""
    whole = _WORDS.get(text.strip().casefold())
    if whole:
        return [whole], []
    found: list[str] = []
    unknown: list[str] = []
    for word in filter(None, _SPLIT.split(text.strip())):
        tag = _WORDS.get(word.casefold())
        if tag is None:
            unknown.append(word)
        elif tag not in found:
            found.append(tag)
    return found, unknown
