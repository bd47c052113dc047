"""What words say about the kind of a message, whatever disguise they wear. Pure.

An exercise that reads as real and a real warning that reads as an exercise are the two texts that must never leave.
Both are looked for in a normal form: full width made half, traditional characters simplified, blanks, zero-width
characters and ornaments between two characters taken out.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_SIMPLER: Final = str.maketrans(
    "練煉鍊習測試實寔並竝這屬為爲係個場報預災險況訊綜應戰僅條該絕訓隻",
    "练练练习测试实实并并这属为为系个场报预灾险况讯综应战仅条该绝训只",
)
_INVISIBLE: Final = frozenset({"Cf", "Cc", "Mn", "Me", "Zs", "Zl", "Zp", "Co", "Cs"})
_ORNAMENTS: Final = frozenset("·・•‧-‐‑‒–—_*~.|/\\+=^'\"`\u2800\u3164\u115f\u1160\uffa0\u0387")
_OPENERS = r"[【\[(〔〖{「『《〈<⟦«︻]"
_CLOSERS = r"[】\])〕〗}」』》〉>⟧»︼]"
_DRILL = r"(?:演练|演习|测试|drill|exercise|test)"
_MARK: Final = re.compile(rf"{_OPENERS}(?:应急|防汛|消防)?{_DRILL}{_CLOSERS}")
_ADORNED = r"(?:一次|一场|一个|一条|次|场|条|全区|全市|综合|防汛|应急|消防|实战|桌面|模拟|例行|系统)*"
_SAYS_DRILL: Final = re.compile(
    rf"(?:这|此|本|该)(?:次|条|场|短信|信息|消息|预警|警报|通知|仅|只|就|也)*(?:是|为|系|属于?){_ADORNED}(?:演练|演习|测试)"
    r"(?!时|中|过|用过|路线|走|确定|规定)"
    r"|(?:仅|只)(?:为|是|供)?(?:演练|演习|测试)(?!时|中)"
    r"|(?:演练|演习|测试)(?:短信|信息|消息)"
    r"|(?:^|[。;!?\n])(?:演练|演习|测试):"
    r"|thisisan?(?:drill|exercise|test)|(?:drill|exercise){2,}"
)
_CLAIMS_REAL: Final = re.compile(
    r"(?:不是|并非|绝非|不属于|不为|不系)(?:一次|一场|一个|应急|防汛|什么|在|搞|开展|进行)*(?:演练|演习|测试)"
    r"|非(?:演练|演习|测试)(?!人员|单位|区|车辆|参|时段|期间)"
    r"|真实(?:的|发生的?)?(?:预警|警报|险情|灾情|灾害|事件|情况)"
    r"|(?<![落如切核现确诚证属])实警(?![示戒惕卫务力方察])"
    r"|(?<!不)是真的(?!需|要)"
    r"|notan?(?:drill|exercise|test)|(?:real|actual)(?:emergency|warning|alert)"
)


def normal(text: str) -> str:
    """`text` as it reads, for comparison only: what leaves is never changed by this."""
    wide = unicodedata.normalize("NFKC", text).casefold().translate(_SIMPLER)
    return "".join(c for c in wide if unicodedata.category(c) not in _INVISIBLE and c not in _ORNAMENTS)


def drill_mark(text: str) -> str | None:
    """The mark of an exercise or a test that `text` carries in brackets of any shape, in normal form."""
    found = _MARK.search(normal(text))
    return found.group(0) if found else None


def says_drill(text: str) -> str | None:
    """The words by which `text` says that it is only an exercise; 演练 as a thing (the route of the drill) is none."""
    found = _SAYS_DRILL.search(normal(text))
    return found.group(0) if found else None


def claims_real(text: str) -> str | None:
    """The words by which `text` claims to be no exercise."""
    found = _CLAIMS_REAL.search(normal(text))
    return found.group(0) if found else None
