"""Who and which number stands in a text: taken out of it before anything is kept, and offered as posts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from emergency.people.posts import rules as post_rules
from emergency.people.posts.models import Duty
from emergency.plans.importing.elements import LIST_CLOSE, LIST_OPEN, Grid, Para, Picture, Source
from emergency.plans.phones import PhoneFound, find_phones, is_phone_heading

_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚"
    "谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪严牛温芦季俞章鲁葛伍韦申尤毕聂丛焦"
    "向柳邢路岳齐梅莫庄辛管祝左涂谷祁时舒耿牟卜詹关苗凌费纪靳盛童欧甄项曲成游阳裴席卫查屈鲍位覃霍翁隋甘景薄单包司柏宁柯阮桂闵解强柴华车冉房边"
    "霄肖闫付代戚刁尚滕么邸蔺窦厉晋运"
)
_TITLES = (
    "联系人|负责人|责任人|联络员|联系员|信息员|组长|队长|主任|书记|镇长|局长|村长|区长|处长|科长|所长|站长|院长|校长|园长|经理|厂长|锣长|"
    "保管员|管理员|指挥长?|总指挥|成员|值班员|带班领导|同志|姓名|网格员|委员|干事|干部|医生|护士|司机|副职|正职|专员|人员|为|由|是|和|及"
)
_WORDS = r"(?:[，,、:：\s（(]*(?:(?:联系|值班|办公|移动|固定)?(?:电话|手机|座机|号码|联系方式|手机号码?|电话号码?|传真))?[\s:：为是（(]*)"
_NAME_BEFORE = re.compile(
    rf"(?:^|[^\u4e00-\u9fff]|{_TITLES})([{_SURNAMES}][\u4e00-\u9fff]{{1,2}})(?:同志|书记|主任|镇长|局长|队长|村长|组长)?{_WORDS}$"
)
_NAME_AFTER = re.compile(rf"^[\s（(，,、:：]*([{_SURNAMES}][\u4e00-\u9fff]{{1,2}})(?=[)）。；;，,、\s]|$)")
_NAME = re.compile(rf"[{_SURNAMES}]\s*[\u4e00-\u9fff]{{1,2}}(?:\s?[\u4e00-\u9fff])?")
_NAME_HEADING = re.compile(
    r"姓\s*名|联系人|负责人|责任人|联络员|信息员|组长|队长|主任|书记|成员|值班员|人员|锣长|保管员|带班"
)
_DUTY_HEADING = re.compile(r"职\s*务|岗\s*位|职\s*责|职\s*位|身\s*份|责任分工|类\s*别")


@dataclass
class Person:
    """One entry of a list of telephones. Name and numbers exist only inside the sealed result of a run."""

    key: int
    at: int
    name: str = ""
    phones: list[str] = field(default_factory=list)
    mobile: bool = False
    """Whether one of the numbers can only be a person's own."""
    duty: Duty | None = None
    words: str = ""
    """The office in the file's words (村党支部书记), never the name."""
    place_words: str = ""


def _place(kind: str, key: int, index: int = 0) -> str:
    return f"{LIST_OPEN}{kind}{key}.{index}{LIST_CLOSE}"


PLACEHOLDER = re.compile(f"{LIST_OPEN}([pni])(\\d+)(?:\\.(\\d+))?{LIST_CLOSE}")


def take_out(source: Source) -> list[Person]:
    """Replace every number, and the name that belongs to it, by a placeholder. Remarks lose theirs for good."""
    people: list[Person] = []
    for element in source.elements:
        if isinstance(element, Para):
            element.text = _from_text(element.text, element.at, people)
        elif isinstance(element, Grid):
            _from_grid(element, people)
        elif isinstance(element, Picture) and find_phones(element.caption):
            element.caption = ""
    source.remarks[:] = [
        type(r)(r.code, r.message, r.at, r.params, "" if find_phones(r.quote) else r.quote) for r in source.remarks
    ]
    return people


def named_before(people: Sequence[Person]) -> dict[int, int]:
    """Of whoever stands in a file several times with the same name and numbers: the key of the first mention."""
    first: dict[tuple[str, tuple[str, ...], str], int] = {}
    found = {}
    for person in people:
        digits = tuple(re.sub(r"\D", "", unicodedata.normalize("NFKC", phone)) for phone in person.phones)
        known = first.setdefault((person.name, digits, person.words), person.key)
        if known != person.key:
            found[person.key] = known
    return found


def _from_text(text: str, at: int, people: list[Person], *, column: bool = False, owner: Person | None = None) -> str:
    found = find_phones(text, in_phone_column=column)
    if not found:
        return text
    made, last = "", 0
    before: Person | None = owner
    for phone in found:
        between = text[last : phone.start]
        person, between = _person_before(between, phone, at, people, before, bool(made) or owner is not None)
        person.phones.append(phone.text)
        person.mobile = person.mobile or phone.mobile
        made += between + _place("p", person.key, len(person.phones) - 1)
        last = phone.end
        if not person.name:
            after = _NAME_AFTER.match(text[last:])
            if after and find_phones(text[last : last + 40]) == []:
                person.name = after[1]
                made += text[last : last + after.start(1)] + _place("n", person.key)
                last += after.end(1)
        before = person
    return made + text[last:]


def _person_before(
    between: str, phone: PhoneFound, at: int, people: list[Person], before: Person | None, running: bool
) -> tuple[Person, str]:
    named = _NAME_BEFORE.search(between)
    if named:
        person = _new(people, at)
        person.name = named[1]
        person.words, person.duty = _office(between[: named.start(1)] + " " + between[named.end(1) :])
        return person, between[: named.start(1)] + _place("n", person.key) + between[named.end(1) :]
    if (
        running
        and before is not None
        and re.fullmatch(r"[\s、,，/;；或（()）\-]*(?:手机|电话|座机|传真|办公)?[:：\s]*", between)
    ):
        return before, between
    person = _new(people, at)
    person.words, person.duty = _office(between[-40:])
    return person, between


def _new(people: list[Person], at: int) -> Person:
    person = Person(len(people), at)
    people.append(person)
    return person


_OFFICES = (
    ("防汛", Duty.FLOOD_CHIEF), ("转移", Duty.EVACUATION_LEADER), ("锣", Duty.GONG_KEEPER), ("敲锣", Duty.GONG_KEEPER),
    ("信息员", Duty.WARNING_RECEIVER), ("预警", Duty.WARNING_RECEIVER), ("抢险", Duty.TEAM_LEADER), ("队长", Duty.TEAM_LEADER),
    ("保管", Duty.KEEPER), ("仓库", Duty.KEEPER), ("消防", Duty.FIRE_OFFICER), ("值班", Duty.DUTY_ROOM),
    ("办公室", Duty.DUTY_ROOM), ("安全", Duty.SAFETY_OFFICER), ("联络", Duty.LIAISON), ("联系人", Duty.LIAISON),
    ("书记", Duty.FLOOD_CHIEF), ("支书", Duty.FLOOD_CHIEF), ("主任", Duty.FLOOD_CHIEF), ("镇长", Duty.FLOOD_CHIEF), ("指挥", Duty.FLOOD_CHIEF),
)  # fmt: skip


def _office(words: str) -> tuple[str, Duty | None]:
    """The words before a name as an office, and which duty they most likely mean."""
    clean = PLACEHOLDER.sub(" ", words)
    tail = re.split(r"[。；;\n]", clean)[-1]
    tail = re.sub(r"^\s*[（(]?[一二三四五六七八九十\d]{1,3}[)）、.．]", "", tail)
    tail = re.sub(r"(?:联系|办公)?(?:电话|手机|座机|号码|联系方式|传真)[:：\s]*", " ", tail)
    tail = re.sub(r"[，,:：、（()）\s\d]+", " ", tail).strip()[-60:]
    exact = post_rules.read_duty(tail) if tail else None
    found = [(tail.rfind(word), -n, duty) for n, (word, duty) in enumerate(_OFFICES) if word in tail]
    return tail, exact or (max(found)[2] if found else None)


def _from_grid(grid: Grid, people: list[Person]) -> None:
    if not grid.rows:
        return
    width = max(len(row) for row in grid.rows)
    heads = _headings(grid, width)
    numbers = {x for x in range(width) if any(is_phone_heading(word) for word in heads[x])}
    names = {
        x for x in range(width) if any(_NAME_HEADING.search(word) and not is_phone_heading(word) for word in heads[x])
    }
    duties = [x for x in range(width) if any(_DUTY_HEADING.search(word) for word in heads[x])]
    above: dict[int, str] = {}
    for y, row in enumerate(grid.rows):
        original = [above.get(x, "") if (y, x) in grid.down else text for x, text in enumerate(row)]
        above = dict(enumerate(original))
        owner_of: dict[int, Person] = {}
        for x, text in enumerate(list(row)):
            if (y, x) in grid.across or (y, x) in grid.down or not find_phones(text, in_phone_column=x in numbers):
                continue
            at_name = _name_cell(original, x, names, numbers)
            owner = owner_of.get(at_name) if at_name is not None else None
            if at_name is not None and owner is None:
                owner = _new(people, grid.at)
                owner.name = re.sub(r"\s", "", original[at_name])
                owner_of[at_name] = owner
                title = next((w for w in heads[at_name] if "姓" not in w and _NAME_HEADING.search(w)), "")
                said = " ".join([*(original[d] for d in duties), title])
                owner.words, owner.duty = _office(said if said.strip() else " ".join(
                    c for i, c in enumerate(original) if i not in numbers and i != at_name
                ))  # fmt: skip
                owner.place_words = " ".join(c for i, c in enumerate(original) if i not in numbers and i != at_name)[
                    :120
                ]
                row[at_name] = row[at_name].replace(original[at_name].strip(), _place("n", owner.key), 1)
            begun = len(people)
            row[x] = _from_text(text, grid.at, people, column=x in numbers, owner=owner)
            for person in people[begun:]:
                if not person.place_words:
                    said = " ".join(c for i, c in enumerate(original) if i not in numbers and i != x)
                    person.place_words = PLACEHOLDER.sub(" ", said)[:120]
                if person.duty is None:
                    person.words, person.duty = _office(person.words + " " + person.place_words)


def _headings(grid: Grid, width: int) -> Mapping[int, Sequence[str]]:
    """What stands above each column: the heading rows, or the first row where nothing says."""
    depth = max(grid.headings, 1)
    found: dict[int, list[str]] = {x: [] for x in range(width)}
    for y, row in enumerate(grid.rows[: min(depth + 1, len(grid.rows))]):
        if y >= depth and any(find_phones(cell) for cell in row):
            break
        for x, text in enumerate(row):
            left = x
            while (y, left) in grid.across and left:
                left -= 1
            words = re.sub(r"\s", "", row[left] if left != x else text)
            if words and len(words) <= 20:
                found[x].append(words)
    return found


def _name_cell(row: Sequence[str], x: int, names: set[int], numbers: set[int]) -> int | None:
    """The nearest cell on the left that holds a person's name, not beyond another person's number."""
    for left in range(x - 1, -1, -1):
        text = re.sub(r"\s", "", row[left])
        if not text:
            continue
        if left in names and re.fullmatch(r"[\u4e00-\u9fff·]{2,5}", text):
            return left
        if not names and _NAME.fullmatch(row[left].strip()) and not find_phones(row[left], in_phone_column=True):
            return left
        if left in numbers and left - 1 in names and left - 1 < x - 2:
            continue
    return None
