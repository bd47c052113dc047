"""One demo account a role, with synthetic people on numbers that nobody has, and no passwords: entry is by link."""

from __future__ import annotations

from emergency.config import Config
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.people.accounts import links, lookups, service
from emergency.people.accounts.models import AccountState, LinkPurpose
from kernel.db import Database

DISTRICT = "120118000000"
TAITOU = "120118104000"
SHENGLI = "120118104201"

ACCOUNTS = (
    ("admin", Role.ADMINISTRATOR, DISTRICT, "管某一", "17900000101"),
    ("duty", Role.DUTY_OFFICER, DISTRICT, "周某一", "17900000102"),
    ("duty2", Role.DUTY_OFFICER, DISTRICT, "吴某二", "17900000103"),
    ("approver", Role.APPROVER, DISTRICT, "郑某一", "17900000104"),
    ("approver2", Role.APPROVER, DISTRICT, "王某二", "17900000105"),
    ("planner", Role.PLANNER, DISTRICT, "冯某一", "17900000106"),
    ("liaison", Role.LIAISON, TAITOU, "陈某一", "17900000107"),
    ("village", Role.VILLAGE_OFFICER, SHENGLI, "褚某一", "17900000108"),
    ("store", Role.STOREKEEPER, DISTRICT, "卫某一", "17900000109"),
    ("audit", Role.AUDITOR, DISTRICT, "蒋某一", "17900000110"),
)


def seed(database: Database) -> None:
    """Create the demo accounts that are not there yet."""
    actor = Actor.system("demo")
    with database.write() as session:
        for username, role, division, name, phone in ACCOUNTS:
            if lookups.find(session, username) is None:
                service.create_user(
                    session,
                    actor=actor,
                    username=username,
                    roles=[role],
                    division_code=division,
                    name=name,
                    phone=phone,
                )


def demo_links(database: Database, base_url: str) -> list[tuple[str, str, str]]:
    """A fresh one-time link for each demo account: `(role, username, url)`; earlier ones end."""
    actor = Actor.system("demo")
    found = []
    with database.write() as session:
        config: Config = session.info["config"]
        for username, role, *_person in ACCOUNTS:
            account = lookups.find(session, username)
            if account is None or account.state is AccountState.CLOSED:
                continue
            url = links.make_link(session, actor=actor, account=account, purpose=LinkPurpose.DEMO)
            found.append((role.value, username, base_url.rstrip("/") + url.removeprefix(config.public_url)))
    return found
