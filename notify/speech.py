"""How a text is said aloud: marks, times, units and numbers as a voice can speak them. Pure."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Final

from notify.models import Kind
from notify.text import DRILL_MARK, TEST_MARK

SYLLABLES_A_SECOND: Final = 4.0
"""How fast a synthetic voice speaks Chinese, about; charges are by the minute begun."""
PRESS_ONE: Final = "听到请按 1。"
_OPENING: Final = {Kind.EXERCISE: "演练，演练。", Kind.TEST: "测试，测试。"}
_CLOSING: Final = {Kind.EXERCISE: "以上是演练。"}
_WIDE: Final = {0xFF10 + n: 0x30 + n for n in range(10)} | {0xFF21 + n: 0x41 + n for n in range(26)} | {
    0xFF41 + n: 0x61 + n for n in range(26)
} | {0xFF0E: ".", 0xFF05: "%", 0xFF0D: "-", 0x3000: " "}  # fmt: skip
_LINK: Final = re.compile(
    r"(?:[，,]?\s*(?:或者?|也可)?\s*(?:打开|点击|访问|详见|or open)\s*)?(?:https?://|www\.)[^\s，。；、！？）】]+|(?<![\w/])/c/[\w~.-]+"
)
_KEYS: Final = re.compile(r"按\s*(?:键|[0-9])")
_AGAIN: Final = re.compile(r"(?<!\d)9\s*(?:再听|重听|hear)")
_UNITS: Final = (
    ("m³/s", "立方米每秒"),
    ("m3/s", "立方米每秒"),
    ("km/h", "公里每小时"),
    ("mm/h", "毫米每小时"),
    ("m/s", "米每秒"),
    ("km²", "平方公里"),
    ("km", "公里"),
    ("mm", "毫米"),
    ("cm", "厘米"),
    ("kg", "公斤"),
    ("m²", "平方米"),
    ("m³", "立方米"),
    ("kV", "千伏"),
    ("m", "米"),
    ("h", "小时"),
)
_SPOKEN: Final = {
    "℃": "摄氏度", "°C": "摄氏度", "㎜": "毫米", "㎝": "厘米", "㎞": "公里", "㎡": "平方米", "㎥": "立方米", "＋": "加",
    "+": "加", "&": "和", "＆": "和", "→": "到", "≥": "不低于", "≤": "不超过", ">": "大于", "<": "小于", "＞": "大于",
    "＜": "小于", "=": "等于", "№": "号", "×": "乘", "℡": "电话",
}  # fmt: skip
_STOPS: Final = str.maketrans({"【": "", "】": "。", "[": "", "]": "。", "［": "", "］": "。", "\n": "。", "\r": "。"})
_PAUSES: Final = str.maketrans(
    {"（": "，", "）": "，", "(": "，", ")": "，", "〔": "，", "〕": "，", "《": "", "》": "", "“": "", "”": "", '"': "",
     "「": "", "」": "", "『": "", "』": "", "·": "，", "•": "，", "—": "，", "…": "，", "/": "，", "|": "，", "#": "，",
     "*": "，", "_": "，", "~": "，", "～": "，", "^": "", "\\": "", "{": "", "}": "", "`": "", "@": "，", "$": "，"}
)  # fmt: skip


def speakable(text: str) -> str:
    """`text` as it can be said: no marks, links or symbols; times, dates, ranges, units and telephone numbers in words.

    What a voice would guess at is decided here: 8:30 is 8点30分, 12379 is said digit by digit, 8-10级 is 8到10级.
    """
    said = re.sub(r"(?<=\d)：(?=\d\d)", ":", text.translate(_WIDE))
    said = _LINK.sub("", said).translate(_STOPS)
    said = re.sub(r"(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)", lambda m: f"{m[1]}年{int(m[2])}月{int(m[3])}日", said)
    said = re.sub(r"(?<![\d:])(\d{1,2}):(\d{2})(?::\d{2})?(?![\d:])", _time, said)
    said = re.sub(r"(?<![\d.])(\d{3,4})-(\d{7,8})(?!\d)", lambda m: _digits(m[1] + m[2]), said)
    said = re.sub(r"(\d|[时分日月点℃%])\s*(?:-|—+|–|~|～|至)\s*(?=-?\d)", r"\1到", said)
    said = re.sub(r"(?<![\d到.])-(\d+(?:\.\d+)?)\s*(?=℃|°C|度)", r"零下\1", said)
    said = re.sub(r"到-(?=\d)", "到零下", said)
    said = re.sub(r"(\d+(?:\.\d+)?)\s*%", r"百分之\1", said)
    for sign, words in _UNITS:
        said = re.sub(rf"(?<=\d){re.escape(sign)}(?![A-Za-z0-9])|(?<=\d ){re.escape(sign)}(?![A-Za-z0-9])", words, said)
    for sign, words in _SPOKEN.items():
        said = said.replace(sign, words)
    said = re.sub(
        r"(?<![\d.])\d{5,}(?![\d.])(?!\s*(?:人|户|元|吨|米|公里|毫米|立方|平方|亩|件|条|万|次))", _number, said
    )
    said = "".join(c for c in said.translate(_PAUSES) if unicodedata.category(c)[0] not in "SCM")
    return _tidy(said)


def call_text(kind: Kind, body: str) -> str:
    """What a call says for a message as it leaves, signature and marks included.

    An exercise begins and ends with the word, a test begins with it. Where the text itself does not name the keys, the
    listener is asked to press 1.
    """
    plain = body.replace(DRILL_MARK, "") if kind is Kind.EXERCISE else body
    plain = plain.replace(TEST_MARK, "", 1) if kind is Kind.TEST else plain
    plain = re.sub(r"回复\s*(?=[0-9０-９])", "按 ", plain)  # nobody writes a reply while listening
    said = _OPENING.get(kind, "") + _ended(speakable(plain)) + _CLOSING.get(kind, "")
    return said if _KEYS.search(said) else said + PRESS_ONE


def offers_again(said: str) -> bool:
    """Whether a call says that key 9 lets it be heard once more."""
    return _AGAIN.search(said) is not None


def minutes(body: str, repeat: int = 2) -> int:
    """Minutes begun that a call takes which is heard to the end."""
    return max(1, math.ceil(len(speakable(body)) * repeat / SYLLABLES_A_SECOND / 60))


def _time(found: re.Match[str]) -> str:
    hour, minute = int(found[1]), int(found[2])
    if hour > 24 or minute > 59:
        return found[0]
    if minute == 0:
        return f"{hour}点"
    return f"{hour}点{'零' if minute < 10 else ''}{minute}分"


def _digits(number: str) -> str:
    return " ".join(number)


def _number(found: re.Match[str]) -> str:
    return _digits(found[0])


def _ended(said: str) -> str:
    return said if not said or said[-1] in "。！？!?" else said + "。"


def _tidy(said: str) -> str:
    said = re.sub(r"[ \t]+", " ", said)
    said = re.sub(r"\s*([，。；、！？：])\s*", r"\1", said)
    said = re.sub(r"[，、；：]*([。！？])[，。；、：]*", r"\1", said)
    said = re.sub(r"[，、；](?:[，、；])+", "，", said)
    return said.strip(" ，、；：。-") + ("。" if said.rstrip(" ，、；：-").endswith("。") else "")
