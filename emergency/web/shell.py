"""What stands around every page: navigation, scope, clock, duty officer, warnings in force, the engine's health.

Loaded at most once a response, only when a page asks for it, piece by piece: a piece that fails is left out and
logged, never the page with it. The night officer must be able to read the page that tells what is broken.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

import flask
import sqlalchemy as sa
from sqlalchemy.orm import Session
from werkzeug.local import LocalProxy

from emergency.http import request as unit
from emergency.http.actor import Actor
from emergency.http.i18n import _, language
from emergency.web import filters
from emergency.web import nav as navigation
from kernel.clock import BEIJING
from kernel.logs import kv

log = logging.getLogger(__name__)
T = TypeVar("T")

ENGINE_SILENT_AFTER = timedelta(seconds=30)
SIGN_OUT_PATHS = ("/sign-out", "/signout", "/logout", "/account/sign-out")
ACCOUNT_LINKS = (("/account", "My account"), ("/account/sessions", "My sessions"), ("/account/tokens", "My tokens"))


@dataclass(frozen=True)
class EngineState:
    """Whether messages would leave now, in words."""

    well: bool
    headline: str
    detail: str
    heard_at: datetime | None = None
    url: str = ""


@dataclass(frozen=True)
class OnDuty:
    """Who has the watch, and until when."""

    names: str
    until: datetime | None


@dataclass(frozen=True)
class Strip:
    """A warning in force, as the strip under the top bar shows it."""

    level: Any
    title: str
    area: str
    minutes: int | None
    reached: float | None
    url: str
    is_exercise: bool


@contextmanager
def reading() -> Iterator[Session]:
    """The request's own snapshot if there is a sound one, otherwise a short reading session."""
    sound = flask.request.method in ("GET", "HEAD") and not flask.g.get("refused") and not flask.g.get("failed")
    if sound:
        yield unit.session()
        return
    with unit.database().read() as session:
        yield session


def guarded(name: str, work: Callable[[Session], T], default: T) -> T:
    """The result of `work`, or `default` with a line in the log. A failed query does not poison what follows."""
    try:
        with reading() as session, session.begin_nested():
            return work(session)
    except Exception as error:
        log.warning("shell part left out %s", kv(part=name, error=type(error).__name__), exc_info=True)
        return default


@dataclass
class Shell:
    """The frame of one response."""

    actor: Actor
    extra: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def now(self) -> datetime:
        """The present."""
        return filters.now()

    @property
    def now_text(self) -> str:
        """Beijing time to the second."""
        return f"{self.now.astimezone(BEIJING):%H:%M:%S}"

    @property
    def now_ms(self) -> int:
        """The present for the ticking clock."""
        return int(self.now.timestamp() * 1000)

    @property
    def site_name(self) -> str:
        """Whose system this is."""
        return unit.config().site.name

    @property
    def signed_in(self) -> bool:
        """Whether the frame of a signed-in person is shown."""
        return self.actor.kind not in ("nobody", "post")

    @cached_property
    def brand(self) -> tuple[str, str]:
        """The two lines beside the mark: the district, and the office."""
        site = unit.config().site
        place = guarded("brand", lambda session: division_name(session, site.division_code), "")
        if place and site.name.startswith(place) and len(site.name) > len(place):
            return place, site.name.removeprefix(place)
        return (place, site.name) if place and place != site.name else (site.name, _("Emergency preparedness"))

    @cached_property
    def area_name(self) -> str:
        """The name of the actor's scope."""
        code = self.actor.division_code or unit.config().site.division_code
        return guarded("scope", lambda session: division_name(session, code), "") or self.brand[0]

    @cached_property
    def scope_url(self) -> str:
        """The page of the actor's scope, if there is one."""
        code = self.actor.division_code or unit.config().site.division_code
        path = f"/divisions/{code}"
        return path if navigation.serves(path) else ""

    @cached_property
    def tabs(self) -> list[navigation.Entry]:
        """The lists beside this one."""
        return navigation.lists(self.actor, flask.request.path)

    @cached_property
    def lists(self) -> list[navigation.Entry]:
        """The lists that no entry of the navigation leads to directly."""
        return navigation.every_list(self.actor)

    @cached_property
    def nav(self) -> list[navigation.Entry]:
        """The places that this actor may go to."""
        numbers: dict[str, int] = {}
        for key, count in navigation.counts().items():
            numbers[key] = guarded(f"count {key}", lambda session, count=count: count(session, self.actor), 0)  # type: ignore[misc]
        return navigation.entries(self.actor, flask.request.path, numbers)

    @cached_property
    def phone_nav(self) -> list[navigation.Entry]:
        """Three places and the way to the rest."""
        chosen = [entry for entry in self.nav if entry.key in navigation.PHONE_KEYS]
        for entry in self.nav:
            if len(chosen) < 3 and entry not in chosen:
                chosen.append(entry)
        elsewhere = not any(entry.current for entry in chosen)
        return [*chosen, navigation.Entry("more", _("More"), navigation.MORE_ICON, "/more", elsewhere)]

    @property
    def initial(self) -> str:
        """The sign of the account button."""
        return self.actor.name[:1].upper() or "?"

    @property
    def role_words(self) -> str:
        """The actor's roles in words."""
        return _(", ").join(sorted(filters.label(role) for role in self.actor.roles))

    @property
    def account_links(self) -> list[dict[str, str]]:
        """The own account's pages that exist."""
        words = {"My account": _("My account"), "My sessions": _("My sessions"), "My tokens": _("My tokens")}
        return [{"url": path, "label": words[text]} for path, text in ACCOUNT_LINKS if navigation.serves(path)]

    @cached_property
    def sign_out_url(self) -> str:
        """Where signing out is posted to."""
        rules = {rule.rule for rule in flask.current_app.url_map.iter_rules() if "POST" in (rule.methods or ())}
        return next((path for path in SIGN_OUT_PATHS if path in rules), SIGN_OUT_PATHS[0])

    @property
    def draft_url(self) -> str:
        """Where a warning is drafted."""
        return navigation.first_served("/warnings/new", "/warnings/draft", "/warnings/create") or ""

    @cached_property
    def strip(self) -> list[Strip]:
        """The warnings in force in this actor's scope."""
        from emergency.http.permissions import Permission

        if not self.signed_in or not self.actor.can(Permission.WARNINGS_VIEW):
            return []
        return guarded("strip", lambda session: in_force(session, self.actor, self.now), [])

    @cached_property
    def responses(self) -> list[Any]:
        """The responses that run in this actor's scope."""
        from emergency.http.permissions import Permission
        from emergency.web import responses

        if not self.signed_in or not self.actor.can(Permission.PLANS_VIEW):
            return []
        return guarded("responses", lambda session: responses.running(session, self.actor), [])

    @cached_property
    def engine_state(self) -> EngineState:
        """Whether the engine is well."""
        unknown = EngineState(False, _("Engine unknown"), _("Its state cannot be read."), url=self._system_url())
        return guarded("engine", lambda session: engine_state(session, self.now, self._system_url()), unknown)

    @cached_property
    def on_duty(self) -> OnDuty | None:
        """The duty officer on shift."""
        return guarded("duty", lambda session: on_duty(session, self.now), None)

    def _system_url(self) -> str:
        from emergency.http.permissions import Permission

        if self.actor.can(Permission.DELIVERY_VIEW) and navigation.serves("/system/delivery"):
            return "/system/delivery"
        return "/system" if any(entry.key == "system" for entry in navigation.entries(self.actor, "/")) else ""


def division_name(session: Session, code: str) -> str:
    """A division's short name, or nothing when it is unknown."""
    from emergency.divisions import service

    return str(service.names(session, [code]).get(code, ""))


def _first(item: Any, *names: str, default: Any = None) -> Any:
    for name in names:
        value = getattr(item, name, None)
        if value is not None:
            return value
    return default


def in_force(session: Session, actor: Actor, now: datetime) -> list[Strip]:
    """The warnings room's strip items in the shell's shape."""
    from emergency.warnings import service

    strips = []
    for item in service.in_force(session, actor):
        since = _first(item, "issued_at", "since", "sent_at", "sent")
        minutes = _first(item, "minutes")
        if minutes is None and since is not None:
            minutes = max(0, int((now - since).total_seconds() // 60))
        strips.append(
            Strip(
                level=item.level,
                title=str(_first(item, "title", "headline", default="")),
                area=str(_first(item, "area", "area_text", default="")),
                minutes=minutes,
                reached=_first(item, "reached", "reached_share"),
                url=str(_first(item, "url") or f"/warnings/{item.id}"),
                is_exercise=bool(_first(item, "is_exercise", "exercise", default=False)),
            )
        )
    return strips


def engine_state(session: Session, now: datetime, url: str = "") -> EngineState:
    """The latest sign of life of any engine, judged."""
    from notify.models import EngineBeat, EngineSwitch

    beat = session.scalars(sa.select(EngineBeat).order_by(EngineBeat.beat_at.desc()).limit(1)).first()
    alert = delivery_alert(session, now)
    if alert is not None:
        heard = beat.beat_at if beat is not None else None
        return EngineState(False, alert.headline, f"{alert.why} {alert.todo}", heard, url)
    if beat is None:
        return EngineState(False, _("No engine is running"), _("Messages wait until one starts."), url=url)
    silent = now - beat.beat_at
    if silent > ENGINE_SILENT_AFTER:
        words = _("Last heard %(time)s ago; messages wait.", time=filters.duration(silent))
        return EngineState(False, _("The engine is silent"), words, beat.beat_at, url)
    draining = session.scalar(sa.select(EngineSwitch.drain_until).where(EngineSwitch.drain_until > now))
    if draining is not None:
        return EngineState(False, _("The engine is draining"), _("It takes nothing new."), beat.beat_at, url)
    expected = unit.config().engine.expected
    if expected > 1:
        heard_lately = EngineBeat.beat_at > now - ENGINE_SILENT_AFTER
        living = session.scalar(sa.select(sa.func.count()).select_from(EngineBeat).where(heard_lately)) or 0
        if living < expected:
            words = _("%(alive)s of %(expected)s live; the others take over what it held.", alive=living,
                      expected=expected)  # fmt: skip
            return EngineState(False, _("An engine is missing"), words, beat.beat_at, url)
    if beat.in_flight:
        detail = _("%(n)s under way, %(rate)s a second", n=filters.number(beat.in_flight), rate=round(beat.per_second))
    else:
        detail = _("Nothing is under way")
    return EngineState(True, _("Engine well"), detail, beat.beat_at, url)


def delivery_alert(session: Session, now: datetime) -> Any:
    """The alarm of delivery in the reader's language, or None."""
    from emergency.engineroom import service as engineroom

    return engineroom.alert(session, now, _, lambda at: filters.when_text(at))


def on_duty(session: Session, now: datetime) -> OnDuty | None:
    """Who has the watch now, by the roster."""
    from emergency.people.accounts.lookups import display_names
    from emergency.people.posts.models import ShiftRole
    from emergency.people.posts.roster import on_duty as shifts_at

    shifts = shifts_at(session, now, unit.config().site.division_code)
    officers = [shift for shift in shifts if shift.role is ShiftRole.OFFICER] or shifts
    if not officers:
        return None
    keys = [f"account:{shift.account_id}" for shift in officers]
    names = display_names(session, keys)
    words = [short_name(names.get(key, "")) for key in dict.fromkeys(keys)]
    return OnDuty(_(", ").join(word for word in words if word), min(shift.ends for shift in officers))


def short_name(display: str) -> str:
    """`周某（值班员）` without its brackets."""
    return display.split("（")[0].split(" (")[0]


def current() -> Shell:
    """The frame of this response."""
    actor = unit.current_actor()
    shell: Shell | None = flask.g.get("web_shell")
    if shell is None or shell.actor is not actor:
        shell = flask.g.web_shell = Shell(actor)
    return shell


def install(app: flask.Flask) -> None:
    """Give every page its frame."""
    _lazy = {
        "strip": LocalProxy(lambda: current().strip),
        "engine_state": LocalProxy(lambda: current().engine_state),
        "on_duty": LocalProxy(lambda: current().on_duty),
    }

    @app.context_processor
    def _frame() -> dict[str, Any]:
        if not flask.has_request_context():
            return {}
        return {"shell": current(), "actor": unit.current_actor(), "lang": language(), **_lazy}
