"""The words of drills: kinds, forms, states, answers."""

from __future__ import annotations

from kernel.types import LabelledEnum


class DrillKind(LabelledEnum):
    """What a drill rehearses: one vocabulary, to which the words of the rules are mapped."""

    EVACUATION = "evacuation", "应急疏散", "Evacuation"
    FIRE = "fire", "消防疏散", "Fire evacuation"
    FLOOD = "flood", "防汛转移", "Flood evacuation"
    QUAKE = "quake", "地震避险", "Earthquake"
    WEATHER = "weather", "气象灾害", "Severe weather"
    GEOLOGY = "geology", "地质灾害", "Geological hazard"
    FOREST = "forest", "森林火灾", "Forest fire"
    RESCUE = "rescue", "生产安全事故救援", "Work-safety rescue"
    UNIT_PLAN = "unit_plan", "单位综合或专项预案", "Unit's general or special plan"
    ONSITE = "onsite", "现场处置方案", "On-site scheme"
    GOV_PLAN = "gov_plan", "政府专项或部门预案", "Government special or departmental plan"
    FULL = "full", "综合演练", "Full exercise"
    SCHOOL_BUS = "school_bus", "校车安全", "School bus"
    EQUIPMENT = "equipment", "特种设备", "Special equipment"
    ELEVATOR = "elevator", "电梯救援", "Elevator rescue"
    GAS = "gas", "燃气事故", "Gas"
    PIPELINE = "pipeline", "油气管道", "Pipeline"
    TRANSPORT = "transport", "公共交通", "Public transport"
    WATER = "water", "供排水", "Water and drainage"
    ENVIRONMENT = "environment", "突发环境事件", "Environment"
    HEALTH = "health", "突发公共卫生事件", "Public health"
    ANIMAL = "animal", "重大动物疫情", "Animal epidemic"
    SUPPLY = "supply", "粮食与能源保供", "Grain and energy"
    TERROR = "terror", "反恐防暴", "Counter-terror"
    CYBER = "cyber", "网络安全", "Cyber security"
    MASS_EVENT = "mass_event", "大型活动", "Mass event"
    PUBLIC = "public", "群众自救互救", "Public self-rescue"


class Form(LabelledEnum):
    """How a drill is held."""

    TABLETOP = "tabletop", "桌面演练", "Tabletop"
    FIELD = "field", "实战演练", "Field drill"


class Content(LabelledEnum):
    """How much a drill takes in."""

    SINGLE = "single", "单项", "Single function"
    FULL = "full", "综合", "Full"


class Purpose(LabelledEnum):
    """What a drill is for (AQ/T 9007): to test, to show, to find something out."""

    TEST = "test", "检验性", "To test"
    SHOW = "show", "示范性", "To show"
    STUDY = "study", "研究性", "To study"


class Basis(LabelledEnum):
    """What a rule's interval means. A half-year is a window: two drills in one do not cover the other."""

    ROLLING = "rolling", "滚动计算", "Rolling"
    MONTH = "calendar_month", "每个自然月", "Each calendar month"
    QUARTER = "calendar_quarter", "每个季度", "Each calendar quarter"
    HALF = "calendar_half", "每个半年", "Each calendar half-year"
    ACADEMIC = "academic_year", "每个学年", "Each academic year"
    EVENT = "event", "每次活动前", "Before each event"


class Binding(LabelledEnum):
    """The force of a rule. What binds elsewhere, or is only advised, binds here once the bureau adopts it."""

    NATIONAL = "national", "国家规定", "National"
    STANDARD = "standard", "标准", "Standard"
    GUIDANCE = "guidance", "指导性文件", "Guidance"
    LOCAL_OTHER = "local_other", "外地规定", "Other province"
    SUGGESTION = "suggestion", "建议", "Suggestion"


class Evidence(LabelledEnum):
    """How sure we are of the text."""

    SEEN = "seen", "已核原文", "Text read"
    SECONDARY = "seen2", "据转引", "Secondary copy"
    MEMORY = "mem", "未核实", "Unverified"


class ProgrammeState(LabelledEnum):
    """Whether a programme makes occurrences."""

    ACTIVE = "active", "执行中", "Active", "done"
    PAUSED = "paused", "暂停", "Paused", "wait"
    ENDED = "ended", "已结束", "Ended", "absent"


class OccurrenceState(LabelledEnum):
    """How far one date has come."""

    PLANNED = "planned", "已排定", "Planned"
    INVITED = "invited", "征询中", "Invited", "wait"
    CONFIRMED = "confirmed", "已确认", "Confirmed", "done"
    HELD = "held", "已开展", "Held", "done"
    MISSED = "missed", "未开展", "Missed", "late"
    CANCELLED = "cancelled", "已取消", "Cancelled", "absent"


class Answered(LabelledEnum):
    """What an invited post says."""

    YES = "yes", "参加", "Taking part", "done"
    NO = "no", "不能参加", "Cannot", "late"
    OTHER = "other", "建议改期", "Asks for another date", "wait"
