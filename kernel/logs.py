"""Key-value logs on standard error, with a last defence against personal data.

`log.info("handed over", extra={"kv": {"delivery": 12}})` is clumsy, so `kv()` formats lazily:
`log.info("handed over %s", kv(delivery=12, channel="sms"))`.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

_PHONE = re.compile(r"(?<!\d)(?:\+?86)?1[3-9]\d{9}(?!\d)")


class kv:
    """Key-value pairs that are formatted only if the line is written."""

    __slots__ = ("pairs",)

    def __init__(self, **pairs: Any):
        self.pairs = pairs

    def __str__(self) -> str:
        return " ".join(f"{key}={_quote(value)}" for key, value in self.pairs.items())


def _quote(value: Any) -> str:
    text = str(value)
    return f'"{text}"' if " " in text or "=" in text else text


class Redacted(logging.Formatter):
    """Whatever a caller or a library puts into a line, a mobile number never leaves with it."""

    def format(self, record: logging.LogRecord) -> str:
        return _PHONE.sub(lambda m: m.group()[:-8] + "********", super().format(record))


def configure(level: str = "INFO") -> None:
    """Send logs to standard error, once, in the house format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Redacted("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("alembic", "apscheduler", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # a tick that takes longer than its interval is by design: the next one finds what is still due
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
