"""A small list of passwords that everybody tries first: what people of this trade and this place would think of.

Two hundred: each of these words with each of these endings. Length is the rule that protects; this only keeps out
what a guesser has at the top of the list.
"""

from __future__ import annotations

_WORDS = (
    "password", "passw0rd", "admin", "administrator", "welcome", "qwerty", "qwertyuiop", "1qaz2wsx", "qazwsxedc",
    "zxcvbnm", "asdfghjkl", "iloveyou", "woaini", "woaini1314", "yingji", "yingjiju", "yingjiguanli", "fangxun",
    "jinghai", "jinghaiqu", "tianjin", "zhongguo", "emergency", "zhiban", "mima",
)  # fmt: skip
_ENDINGS = ("", "123", "123456", "12345678", "2026", "@123", "1234", "888888")
COMMON = frozenset(word + ending for word in _WORDS for ending in _ENDINGS)
