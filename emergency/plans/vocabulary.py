"""The words of plans: kinds, levels, hazards, the three states, the parts that the law names."""

from __future__ import annotations

from kernel.types import LabelledEnum


class PlanKind(LabelledEnum):
    """The kinds of 管理办法 chapter 2, with the workbooks and action schemes beneath a plan."""

    GENERAL = "gov.general", "总体应急预案", "General plan"
    SPECIAL = "gov.special", "专项应急预案", "Special plan"
    DEPARTMENT = "gov.dept", "部门应急预案", "Departmental plan"
    TOWNSHIP = "gov.town", "乡镇（街道）应急预案", "Township plan"
    VILLAGE = "org.village", "村（社区）应急预案", "Village plan"
    UNIT = "org.unit", "单位应急预案", "Unit plan"
    JOINT = "joint", "联合应急预案", "Joint plan"
    EVENT = "event", "重大活动应急预案", "Event plan"
    WORKBOOK = "support.workbook", "应急工作手册", "Workbook"
    ACTION = "support.action", "事件应急行动方案", "Action scheme"


class PlanLevel(LabelledEnum):
    """Whose plan it is, from the top of the tree down."""

    CITY = "city", "市级", "City"
    DISTRICT = "district", "区级", "District"
    TOWNSHIP = "township", "乡镇（街道）级", "Township"
    VILLAGE = "village", "村（社区）级", "Village"
    UNIT = "unit", "单位级", "Unit"


class Hazard(LabelledEnum):
    """What a plan is for. `all` is the general plan's."""

    ALL = "all", "各类突发事件", "All hazards"
    FLOOD = "flood", "洪涝", "Flood"
    HAZCHEM = "hazchem", "危化", "Hazardous chemicals"
    FIRE = "fire", "火灾", "Fire"
    QUAKE = "quake", "地震", "Earthquake"
    WEATHER = "weather", "气象", "Severe weather"
    GAS = "gas", "燃气", "Gas"
    HEALTH = "health", "公卫", "Public health"
    ENVIRONMENT = "environment", "环境", "Environment"
    TRAFFIC = "traffic", "交通", "Transport"
    RELIEF = "relief", "救助", "Disaster relief"
    SECURITY = "security", "社会安全", "Public security"
    OTHER = "other", "其他", "Other"


class PlanState(LabelledEnum):
    """How the plan stands."""

    DRAFTING = "drafting", "编制中", "Being written", "wait"
    IN_FORCE = "in_force", "有效", "In force", "done"
    UNDER_REVISION = "under_revision", "修订中", "Under revision", "wait"
    SUPERSEDED = "superseded", "已被取代", "Superseded", "absent"
    REPEALED = "repealed", "已废止", "Repealed", "absent"


class PlanNote(LabelledEnum):
    """What else the timeline of a plan tells."""

    TITLE = "title", "更名，原名", "Renamed; it was called"
    EVALUATED = "evaluated", "评估后仍适用", "Evaluated, and it still fits", "done"


class VersionState(LabelledEnum):
    """How far one version has come."""

    DRAFT = "draft", "草稿", "Draft", "wait"
    LINKAGE_REVIEW = "linkage_review", "衔接审核", "Linkage review", "wait"
    APPROVAL = "approval", "待批准", "Awaiting approval", "wait"
    APPROVED = "approved", "已批准待印发", "Approved, to be issued", "wait"
    ISSUED = "issued", "已印发", "Issued", "done"
    REJECTED = "rejected", "未予批准", "Rejected", "absent"


class FilingState(LabelledEnum):
    """How far the filing of an issued version has come (管理办法 art. 26)."""

    DUE = "due", "待备案", "To be filed", "wait"
    FILED = "filed", "已报备", "Filed", "wait"
    RETURNED = "returned", "材料退回", "Sent back", "late"
    RECEIPTED = "receipted", "已备案", "Filing confirmed", "done"


class Part(LabelledEnum):
    """The five parts that 突发事件应对法 art. 28 asks of a plan, and the two around them."""

    GENERAL = "general", "总则", "General provisions"
    COMMAND = "command", "组织指挥体系与职责", "Command and duties"
    PREVENTION = "prevention", "预防与预警机制", "Prevention and warning"
    HANDLING = "handling", "处置程序", "Handling procedure"
    SUPPORT = "support", "应急保障措施", "Support and resources"
    RECOVERY = "recovery", "事后恢复与重建措施", "Recovery and reconstruction"
    ANNEX = "annex", "附则与附件", "Supplementary provisions"


class ResponseGrade(LabelledEnum):
    """The level of a response; not the level of a warning (突发事件应对法 art. 71)."""

    I = "I", "Ⅰ级响应", "Response level I"  # noqa: E741
    II = "II", "Ⅱ级响应", "Response level II"
    III = "III", "Ⅲ级响应", "Response level III"
    IV = "IV", "Ⅳ级响应", "Response level IV"


class RuleSubject(LabelledEnum):
    """What a plan rule bounds in time."""

    EVALUATION = "evaluation", "定期评估", "Evaluation"
    FILING = "filing", "备案", "Filing"
    RECEIPT = "receipt", "备案回执", "Filing receipt"


class TimeUnit(LabelledEnum):
    """What a rule counts in."""

    MONTH = "month", "个月", "months"
    WORKING_DAY = "working_day", "个工作日", "working days"


class Destination(LabelledEnum):
    """In what way a body gets an issued plan (art. 26)."""

    FILE = "file", "备案", "File with"
    DELIVER = "deliver", "径送", "Deliver to"
    COPY = "copy", "抄送", "Copy to"
