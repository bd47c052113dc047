"""The difference of two texts in a readable form, in bounded time.

Myers' greedy algorithm finds the shortest edit while texts are alike; where they are not, the pieces that occur once in
both (patience) hold them together, and what no anchor holds is shown as replaced. A budget of steps for the whole
comparison keeps a text of 200,000 characters within seconds, whatever it says.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Budget", "Paragraph", "Span", "applied", "paragraphs", "rising", "spans", "undone"]

_TOKEN = re.compile(r"\{\{[^{}\n]{1,40}\}\}|[A-Za-z]+|\d+(?:\.\d+)*|.", re.DOTALL)
_MOST_EDITS = 400
_SHINGLE = 6
STEPS = 3_000_000
Range = tuple[str, int, int, int, int]


@dataclass
class Budget:
    """Elementary steps that a comparison may still take; what comes after is shown as replaced."""

    left: int = STEPS

    def spend(self, steps: int) -> bool:
        """Take them; False once nothing is left."""
        self.left -= steps
        return self.left > 0


@dataclass(frozen=True)
class Span:
    """A piece of text: `=` kept, `-` removed, `+` added."""

    op: str
    text: str


@dataclass(frozen=True)
class Paragraph:
    """One line of a body: `=` as before, `-` removed, `+` added, `~` changed inside."""

    op: str
    spans: tuple[Span, ...]


def applied(found: Sequence[Span]) -> str:
    """The new text."""
    return "".join(span.text for span in found if span.op != "-")


def undone(found: Sequence[Span]) -> str:
    """The old text."""
    return "".join(span.text for span in found if span.op != "+")


def spans(old: str, new: str, budget: Budget | None = None) -> tuple[Span, ...]:
    """The difference by characters, where numbers, Latin words and `{{post:7}}` are one character each."""
    if old == new:
        return (Span("=", old),) if old else ()
    a, b = _TOKEN.findall(old), _TOKEN.findall(new)
    made: list[Span] = []
    for op, a0, a1, b0, b1 in _calm(_ranges(a, b, budget or Budget()), a):
        if op == "=":
            made.append(Span("=", "".join(a[a0:a1])))
            continue
        if a1 > a0:
            made.append(Span("-", "".join(a[a0:a1])))
        if b1 > b0:
            made.append(Span("+", "".join(b[b0:b1])))
    return tuple(made)


def paragraphs(old: str, new: str, budget: Budget | None = None) -> tuple[Paragraph, ...]:
    """The difference by lines, and inside lines that were rewritten by characters."""
    budget = budget or Budget()
    a, b = old.split("\n") if old else [], new.split("\n") if new else []
    made: list[Paragraph] = []
    for op, a0, a1, b0, b1 in _ranges(a, b, budget):
        if op == "=":
            made.extend(Paragraph("=", (Span("=", line),) if line else ()) for line in a[a0:a1])
            continue
        both = min(a1 - a0, b1 - b0)
        made.extend(_pair(a[a0 + i], b[b0 + i], budget) for i in range(both))
        made.extend(Paragraph("-", (Span("-", line),)) for line in a[a0 + both : a1])
        made.extend(Paragraph("+", (Span("+", line),)) for line in b[b0 + both : b1])
    return tuple(made)


def _pair(old: str, new: str, budget: Budget) -> Paragraph:
    return Paragraph("~", spans(old, new, budget))


def _calm(found: list[Range], a: Sequence[str]) -> list[Range]:
    """A single kept character between two changes only confuses the eye: it becomes part of the change."""
    made: list[Range] = []
    for number, (op, a0, a1, b0, b1) in enumerate(found):
        between = 0 < number < len(found) - 1
        if op == "=" and between and sum(map(len, a[a0:a1])) < 2 and made and made[-1][0] != "=":
            op = "~"
        if made and made[-1][0] != "=" and op != "=":
            last = made.pop()
            made.append(("~", last[1], a1, last[3], b1))
        else:
            made.append((op, a0, a1, b0, b1))
    return made


def _ranges(a: Sequence[str], b: Sequence[str], budget: Budget) -> list[Range]:
    """Where two sequences agree (`=`) and where not (`~`), in order and without gaps."""
    numbers: dict[str, int] = {}
    x = [numbers.setdefault(token, len(numbers)) for token in a]
    y = [numbers.setdefault(token, len(numbers)) for token in b]
    pairs: list[tuple[int, int, int]] = []
    _match(x, y, 0, len(x), 0, len(y), budget, pairs, 4)
    made: list[Range] = []
    i = j = 0
    for start_a, start_b, length in [*pairs, (len(x), len(y), 0)]:
        if start_a > i or start_b > j:
            made.append(("~", i, start_a, j, start_b))
        if length:
            if made and made[-1][0] == "=":
                _op, first_a, _end_a, first_b, _end_b = made.pop()
                made.append(("=", first_a, start_a + length, first_b, start_b + length))
            else:
                made.append(("=", start_a, start_a + length, start_b, start_b + length))
        i, j = start_a + length, start_b + length
    return made


def _match(
    x: list[int],
    y: list[int],
    a0: int,
    a1: int,
    b0: int,
    b1: int,
    budget: Budget,
    pairs: list[tuple[int, int, int]],
    depth: int,
) -> None:
    """Append the runs in which `x[a0:a1]` and `y[b0:b1]` agree."""
    head = 0
    while a0 + head < a1 and b0 + head < b1 and x[a0 + head] == y[b0 + head]:
        head += 1
    if head:
        pairs.append((a0, b0, head))
        a0, b0 = a0 + head, b0 + head
    tail = 0
    while a1 - tail > a0 and b1 - tail > b0 and x[a1 - tail - 1] == y[b1 - tail - 1]:
        tail += 1
    end_a, end_b = a1 - tail, b1 - tail
    if end_a > a0 and end_b > b0 and budget.spend(end_a - a0 + end_b - b0):
        found = _myers(x, y, a0, end_a, b0, end_b, budget)
        if found is not None:
            pairs.extend(found)
        elif depth:
            at_a, at_b = a0, b0
            for anchor_a, anchor_b, length in _anchors(x, y, a0, end_a, b0, end_b):
                _match(x, y, at_a, anchor_a, at_b, anchor_b, budget, pairs, depth - 1)
                pairs.append((anchor_a, anchor_b, length))
                at_a, at_b = anchor_a + length, anchor_b + length
            if at_a > a0 or at_b > b0:
                _match(x, y, at_a, end_a, at_b, end_b, budget, pairs, depth - 1)
    if tail:
        pairs.append((end_a, end_b, tail))


def _myers(
    x: list[int], y: list[int], a0: int, a1: int, b0: int, b1: int, budget: Budget
) -> list[tuple[int, int, int]] | None:
    """The runs of the shortest edit; None where it is longer than `_MOST_EDITS` or the budget ends."""
    n, m = a1 - a0, b1 - b0
    furthest = {1: 0}
    trace: list[dict[int, int]] = []
    for edits in range(min(n + m, _MOST_EDITS) + 1):
        trace.append(dict(furthest))
        steps = edits + 1
        for k in range(-edits, edits + 1, 2):
            down = k == -edits or (k != edits and furthest.get(k - 1, -1) < furthest.get(k + 1, -1))
            i = furthest.get(k + 1, 0) if down else furthest.get(k - 1, 0) + 1
            j = i - k
            if i > n or j > m:
                furthest[k] = i
                continue
            start = i
            while i < n and j < m and x[a0 + i] == y[b0 + j]:
                i, j = i + 1, j + 1
            steps += i - start
            furthest[k] = i
            if i >= n and j >= m:
                return _walked_back(trace, n, m, a0, b0)
        if not budget.spend(steps):
            return None
    return None


def _walked_back(trace: list[dict[int, int]], n: int, m: int, a0: int, b0: int) -> list[tuple[int, int, int]]:
    runs: list[tuple[int, int, int]] = []
    i, j = n, m
    for edits in range(len(trace) - 1, -1, -1):
        before, k = trace[edits], i - j
        down = k == -edits or (k != edits and before.get(k - 1, -1) < before.get(k + 1, -1))
        from_k = k + 1 if down else k - 1
        from_i = before.get(from_k, 0)
        from_j = from_i - from_k
        start_i = (from_i if down else from_i + 1) if edits else 0
        if i > start_i:
            runs.append((a0 + start_i, b0 + start_i - k, i - start_i))
        i, j = from_i, from_j
    runs.reverse()
    return runs


def _anchors(x: list[int], y: list[int], a0: int, a1: int, b0: int, b1: int) -> list[tuple[int, int, int]]:
    """What occurs once in both and in the same order, single or in runs of `_SHINGLE`; none overlaps."""
    for size in (1, _SHINGLE):
        once_x, once_y = _once(x, a0, a1, size), _once(y, b0, b1, size)
        common = sorted((at, once_y[key]) for key, at in once_x.items() if key in once_y)
        kept: list[tuple[int, int, int]] = []
        for at_a, at_b in rising(common):
            if not kept or (at_a >= kept[-1][0] + kept[-1][2] and at_b >= kept[-1][1] + kept[-1][2]):
                kept.append((at_a, at_b, size))
        if kept:
            return kept
    return []


def _once(values: list[int], start: int, end: int, size: int) -> dict[tuple[int, ...], int]:
    keys = [tuple(values[at : at + size]) for at in range(start, end - size + 1)]
    seen = Counter(keys)
    return {key: start + at for at, key in enumerate(keys) if seen[key] == 1}


def rising(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest run of pairs whose second numbers rise."""
    ends: list[int] = []
    at: list[int] = []
    before: list[int] = []
    for number, (_first, second) in enumerate(pairs):
        place = bisect_left(ends, second)
        before.append(at[place - 1] if place else -1)
        if place == len(ends):
            ends.append(second)
            at.append(number)
        else:
            ends[place], at[place] = second, number
    made: list[tuple[int, int]] = []
    number = at[-1] if at else -1
    while number >= 0:
        made.append(pairs[number])
        number = before[number]
    made.reverse()
    return made
