"""Response levels and evacuation tables in what was read: offered where they are certain, else left as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from emergency.plans import bodies
from emergency.plans.importing.outline import Section
from emergency.plans.models import ResponseGrade

_GRADES = {
    "Ⅰ": "I", "I": "I", "一": "I", "Ⅱ": "II", "II": "II", "二": "II", "Ⅲ": "III", "III": "III", "三": "III", "Ⅳ": "IV",
    "IV": "IV", "四": "IV",
}  # fmt: skip
_LEVEL = re.compile(
    r"^[^，。]{0,12}?(Ⅰ|Ⅱ|Ⅲ|Ⅳ|IV|I{1,3}|一|二|三|四)\s*级\s*(?:[（(][^）)]{1,8}[)）])?\s*(?:应急)?响应(?:行动)?[。：:]?$"
)
_TRIGGER = re.compile(r"启动条件|启动标准")
_ACTIONS = re.compile(r"响应措施|响应行动|应对措施|处置措施|响应内容|主要措施")
_INLINE = re.compile(r"启动条件[:：]?\s*(.+)")
_DECIDED = re.compile(r"(?:由|经)([^，。；、]{2,40}?)(?:批准|决定|宣布|签发)(?:后)?[^。；]{0,12}启动")
_WHO = re.compile(
    r"^((?:区|县|市|镇|各)[^，。；：]{1,20}?(?:局|办公室|办|指挥部|委员会|委|大队|支队|公司|乡镇|镇|街道|部门|单位)(?:（[^）]*）)?)"
)
_WITHIN = re.compile(r"(\d{1,3})\s*(分钟|小时)(?:之)?内")
_NUMBER = re.compile(r"^\s*(?:[（(]?[一二三四五六七八九十\d]{1,3}[)）、.．]|[①-⑳])\s*")
MOST_ACTIONS = 60


def levels(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """Grades whose trigger the text names in a place of its own; a grade that stands twice is left as text."""
    found: dict[str, list[dict[str, Any]]] = {}
    for position, section in enumerate(sections):
        matched = _LEVEL.match(section.heading)
        if not matched:
            continue
        beneath = []
        for other in sections[position + 1 :]:
            if other.depth <= section.depth:
                break
            beneath.append(other)
        trigger = next((_words(s.lines) for s in beneath if _TRIGGER.search(s.heading) and s.lines), "")
        lines = [line for line in section.lines if not line.startswith("|")]
        if not trigger:
            trigger = next((m[1].strip() for line in lines if (m := _INLINE.search(line))), "")
        if not trigger:
            continue
        everything = "\n".join([*lines, *(line for s in beneath for line in s.lines)])
        decided = _DECIDED.search(everything)
        acts = [line for s in beneath if _ACTIONS.search(s.heading) for line in s.lines if not line.startswith("|")]
        found.setdefault(_GRADES[matched[1]], []).append(
            {"grade": _GRADES[matched[1]], "trigger": trigger, "decided_by": decided[1][:100] if decided else "",
             "actions": [_action(line) for line in acts[:MOST_ACTIONS] if _NUMBER.sub("", line).strip()]}
        )  # fmt: skip
    order = [grade.value for grade in ResponseGrade]
    return sorted((rows[0] for rows in found.values() if len(rows) == 1), key=lambda row: order.index(row["grade"]))


def _words(lines: Sequence[str]) -> str:
    return "\n".join(line for line in lines if not line.startswith("|"))


def _action(line: str) -> dict[str, Any]:
    text = _NUMBER.sub("", line).strip()
    who, within = _WHO.match(text), _WITHIN.search(text)
    minutes = int(within[1]) * (60 if within[2] == "小时" else 1) if within else None
    return {"action": text, "actor_words": who[1][:100] if who else "", "within_minutes": minutes}


_COLUMNS = {
    "who": re.compile(
        r"转移(?:村|单位|对象|范围)|^(?:行政)?村(?:名|庄|（社区）|居)?$|^村\(?（?社区|^单位(?:名称)?$|被转移"
    ),
    "people": re.compile(r"人数|人口|^人$|（人）|\(人\)"),
    "destination": re.compile(r"安置(?:点|地点|场所|去向)?|转移(?:地点|去向|目的地)|避险点|避难场所|接收"),
    "route": re.compile(r"路线"),
    "means": re.compile(r"方式|交通|车辆"),
}


def evacuation(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """Rows of tables that name who goes, how many, and where to; the place stays words until it is matched."""
    rows: list[dict[str, Any]] = []
    for section in sections:
        for block in bodies.parse(section.body):
            if isinstance(block, bodies.Table):
                rows += _of_table(block, section.heading)
    return rows


def _of_table(table: bodies.Table, heading: str) -> list[dict[str, Any]]:
    if not table.rows or len(table.rows) < 2:
        return []
    heads = [
        re.sub(r"\s", "", "".join(p for p in bodies.inline(c, cell=True) if isinstance(p, str))) for c in table.rows[0]
    ]
    columns: dict[str, int] = {}
    for key, pattern in _COLUMNS.items():
        at = next((x for x, words in enumerate(heads) if pattern.search(words) and x not in columns.values()), None)
        if at is not None:
            columns[key] = at
    if not {"who", "people", "destination"} <= set(columns) or not re.search(
        "转移|撤离|安置|避险", heading + "".join(heads)
    ):
        return []
    made = []
    above = [""] * len(heads)
    for row in table.rows[max(table.headings, 1) :]:
        cells = [above[x] if cell == bodies.FROM_ABOVE else _plain(cell) for x, cell in enumerate(row)]
        above = cells
        people = re.search(r"\d+", cells[columns["people"]].replace(",", ""))
        if not cells[columns["who"]] or not cells[columns["destination"]] or not people or "合计" in "".join(cells):
            continue
        made.append(
            {"who": cells[columns["who"]][:60], "people": int(people[0][:6]), "destination": cells[columns["destination"]][:200],
             "route": cells[columns["route"]] if "route" in columns else "",
             "means": cells[columns["means"]][:100] if "means" in columns else ""}
        )  # fmt: skip
    return made


def _plain(cell: str) -> str:
    return "".join(p for p in bodies.inline(cell, cell=True) if isinstance(p, str)).replace("\n", " ").strip()
