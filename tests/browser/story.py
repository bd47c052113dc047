"""A morning in the demo district, told through the rooms' own services: something is in force, something waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

TAITOU = "120118104000"
PAGES = ("", "/board", "/deliveries", "/doors", "/print")
STEPS = ("", "/content", "/area", "/audience", "/preview")
SEARCHES = [
    "/search?q=台头",
    "/search?q=没有这个",
    "/map?kind=school",
    "/plans?view=matrix",
    "/warnings/new?status=Exercise",
]


@dataclass(frozen=True)
class Links:
    """Pages that only a link leads to."""

    enter: str
    liaison: str
    more: list[str]
    """Further records worth a look: the warning in force and the exercise."""


def tell(database: Any, author: Any, approver: Any, officer_id: int) -> Links:
    """A red flood warning in force, a second one that waits, an exercise, and an invitation to a liaison."""
    waiting = _warning(database, author, "Actual", "orange", "子牙河水位接近警戒", ["120118103000"])
    first = _warning(database, author, "Actual", "red", "东淀水位上涨", [TAITOU])
    _approve(database, approver, first)
    drill = _warning(database, author, "Exercise", "yellow", "假设独流减河漫堤", [TAITOU])
    _approve(database, approver, drill)
    more = [f"/warnings/{record.id}{page}" for record in (first, drill) for page in PAGES]
    for status in ("Actual", "Exercise"):
        draft = _draft(database, author, status, "red", "大清河北支漫滩", ["120118104201", "120118104202"])
        more += [f"/warnings/{draft.id}{step}" for step in STEPS]
    more += [f"/warnings/{waiting.id}", f"/warnings/{waiting.id}/approve", f"/oversight/subjects/warning/{first.id}"]
    more.append(f"/residents/imports/{_import(database, author)}")
    return Links(_entry(database, approver, officer_id), _invitation(database, author), [*more, *SEARCHES])


def _warning(database: Any, author: Any, status: str, level: str, headline: str, places: list[str]) -> Any:
    from emergency.warnings import service

    draft = _draft(database, author, status, level, headline, places)
    with database.write() as session:
        return service.submit(session, actor=author, warning_id=draft.id)


def _draft(database: Any, author: Any, status: str, level: str, headline: str, places: list[str]) -> Any:
    from emergency.warnings import service
    from emergency.warnings.models import Audience, WarningLevel, WarningStatus
    from kernel.db import now

    with database.write() as session:
        return service.create(
            session,
            actor=author,
            status=WarningStatus(status),
            event_code="11A01",
            level=WarningLevel(level),
            headline=headline,
            description="八堡闸上水位超警戒 0.34 米，两小时涨 31 厘米，仍在上涨。",
            instruction="现在带好身份证和常用药，听村干部安排到集合点上车；不要涉水，不要返回取东西。",
            effective=now(session) + timedelta(minutes=30),
            area={"divisions": places},
            channels=["sms"],
            audience=Audience.RESIDENTS,
        )


def _approve(database: Any, approver: Any, warning: Any) -> None:
    from emergency.warnings import service

    with database.write() as session:
        service.approve(session, actor=approver, warning_id=warning.id, version=warning.version)


def _import(database: Any, actor: Any) -> int:
    """A file of residents with good rows and faults, read to its end."""
    import tempfile
    from pathlib import Path

    from emergency.people.residents import models
    from emergency.people.residents.service import import_residents

    rows = ["人员编号,区划代码,姓名,电话"]
    rows += [f"B{n:03d},120118104201,乔某{n},154{n:08d}" for n in range(1, 9)]
    rows += ["B101,120118104201,乔某甲,12345", "B102,999999999999,乔某乙,15400000102"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "胜利村.csv"
        path.write_text("\n".join(rows), "utf-8")
        import_residents(database, path, actor=actor)
    with database.read() as session:
        return int(session.scalar(sa.select(sa.func.max(models.ImportRun.id))) or 0)


def _entry(database: Any, approver: Any, officer_id: int) -> str:
    from emergency.people.accounts import links

    with database.write() as session:
        return links.make_entry_link(session, actor=approver, account_id=officer_id)


def _invitation(database: Any, author: Any) -> str:
    """The link that a holder of a post in 台头镇 got; it left in the message's parameters only."""
    from emergency.asking import service
    from emergency.people.contacts.models import Contact
    from emergency.people.posts.models import Post, PostHolder
    from kernel.db import now
    from notify.models import Delivery

    with database.write() as session:
        post_id = session.scalar(
            sa.select(Post.id)
            .join(PostHolder, PostHolder.post_id == Post.id)
            .join(Contact, Contact.id == PostHolder.contact_id)
            .where(Post.division_code == TAITOU, Contact.phone_index.is_not(None))
            .limit(1)
        )
        moment = now(session)
        service.ask(
            session,
            actor=author,
            post_id=post_id,
            subject=("story", 1),
            kind="drill.invitation",
            text="11月28日的防汛转移演练，您能到吗？",
            answers=[("yes", "能到", "I will come"), ("no", "去不了", "I cannot")],
            details=[("时间", "11月28日（周六）09:00"), ("地点", "台头镇义和村村委会门口")],
            due_at=moment + timedelta(days=2),
            drill=True,
        )
    with database.read() as session:
        for params in session.scalars(
            sa.select(Delivery.params)
            .where(Delivery.params.is_not(None), Delivery.recipient == f"post:{post_id}")
            .order_by(Delivery.id.desc())
        ):
            if "/c/" in str(params.get("link", "")):
                return str(params["link"])
    return ""
