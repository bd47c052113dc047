"""Configuration: `config.toml`, then `EMERGENCY__SECTION__KEY` from the environment, secrets also from files.

Typed and closed: an unknown key is refused with the nearest name, a wrong type says what was expected. Any text value
may be given as `EMERGENCY__SECTION__KEY_FILE=/path`, whose content is then the value. Relative paths are relative to
the configuration file. `config.toml` at the root is the only place that documents settings and defaults.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from emergency.config_drills import Drills
from emergency.config_plans import Plans
from kernel.errors import N_, DomainError

ROOT = Path(__file__).resolve().parents[1]
PREFIX = "EMERGENCY__"
_NAME = re.compile(r"(?!.*-voice$)[a-z0-9][a-z0-9-]{0,19}")


class ConfigError(DomainError):
    """The configuration cannot be used; nothing was started."""

    code = "config"
    status = 500


@dataclass(frozen=True)
class Site:
    """Whose system this is."""

    name: str = "静海区应急管理局"
    division_code: str = "120118000000"
    issuer: str = "静海区人民政府"
    time_zone: str = "Asia/Shanghai"
    language: str = "zh"
    public_url: str = ""
    duty_phone: str = ""
    sms_signature: str = "静海应急"


@dataclass(frozen=True)
class DatabaseSettings:
    """Where the records are."""

    url: str = "sqlite:///instance/emergency.db"


@dataclass(frozen=True)
class Server:
    """The web process."""

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    threads: int = 16
    max_upload_mb: int = 64
    trusted_proxies: int = 0


@dataclass(frozen=True)
class EngineConfig:
    """The delivery engine and the ticker."""

    batch: int = 1000
    lease_seconds: int = 20
    concurrency: int = 800
    tick_seconds: int = 5
    reconcile_after_seconds: int = 20
    expected: int = 1


@dataclass(frozen=True)
class Voice:
    """Calls over an account."""

    from_number: str = ""
    voice: str = "Polly.Zhiyu"
    language: str = "cmn-CN"
    machine_detection: bool = True
    ring_seconds: int = 45
    repeat: int = 2
    calls_per_second: int = 1
    price: str = ""


@dataclass(frozen=True)
class Twilio:
    """One account at Twilio, or at a server that speaks its API."""

    weight: float = 1.0

    account_sid: str = ""
    auth_token: str = field(default="", repr=False)
    base_url: str = "https://api.twilio.com"
    from_number: str = ""
    messaging_service_sid: str = ""
    messages_per_second: int = 1000
    status_callback: str = ""
    two_way: bool = False
    """Whether whoever is sent a text can reply to it. Mainland numbers over Twilio cannot."""
    price: str = ""
    currency: str = "USD"
    voice: Voice = field(default_factory=Voice)

    def can_send(self) -> bool:
        """Whether this one account has all that sending takes."""
        return bool(self.account_sid and self.auth_token and (self.from_number or self.messaging_service_sid))

    @property
    def configured(self) -> bool:
        """Whether there are credentials to send with."""
        return self.can_send()


@dataclass(frozen=True)
class TwilioAccounts(Twilio):
    """One account, and beside it any number of named ones for the same kinds of message."""

    accounts: Mapping[str, Twilio] = field(default_factory=dict)

    @property
    def all(self) -> dict[str, Twilio]:
        """Every account that can send, by name; the one without a name is called by the empty text."""
        return {name: one for name, one in (("", self), *self.accounts.items()) if Twilio.can_send(one)}

    @property
    def configured(self) -> bool:
        """Whether there are credentials to send with."""
        return bool(self.all)

    @property
    def rate(self) -> int:
        """Messages a second, of all that take part; a reserve does not count."""
        every = list(self.all.values())
        return sum(one.messages_per_second for one in [one for one in every if one.weight > 0] or every)


@dataclass(frozen=True)
class TwilioWithExercise(TwilioAccounts):
    """The accounts for what is real, and beneath them those for exercises."""

    exercise: TwilioAccounts = field(default_factory=TwilioAccounts)


@dataclass(frozen=True)
class Gateway:
    """The local gateway."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = 8010
    record: str = "instance/gateway.jsonl"


@dataclass(frozen=True)
class Notify:
    """How messages leave."""

    daily_quota_per_number: int = 20
    quota_spares: tuple[str, ...] = ("red", "orange")
    repeat_minutes: int = 10
    channel_minutes: int = 10
    default_channels: tuple[str, ...] = ("sms",)
    messages: str = "messages"
    twilio: TwilioWithExercise = field(default_factory=TwilioWithExercise)
    gateway: Gateway = field(default_factory=Gateway)

    def channels_for(self, *, exercise: bool) -> tuple[str, ...]:
        """By what names messages of this kind can leave: over the account of the kind, or else the local gateway."""
        accounts = (self.twilio.exercise if exercise else self.twilio).all.values()
        if accounts:
            return ("sms", "voice") if any(account.voice.from_number for account in accounts) else ("sms",)
        return ("sms", "voice") if self.gateway.enabled else ()

    def takes_replies(self, *, exercise: bool) -> bool:
        """Whether a text of this kind can be answered by text: the account says so, or the local gateway carries it."""
        accounts = (self.twilio.exercise if exercise else self.twilio).all.values()
        # Which of several carries a text is not known when it is written: all of them must take replies.
        return all(account.two_way for account in accounts) if accounts else self.gateway.enabled


@dataclass(frozen=True)
class CalloutMinutes:
    """Minutes until each step of a call-out."""

    call: int = 3
    awake: int = 5
    superior: int = 10
    door: int = 15


@dataclass(frozen=True)
class Callout:
    """The ladder of a call-out by colour."""

    red: CalloutMinutes = field(default_factory=CalloutMinutes)
    orange: CalloutMinutes = field(default_factory=lambda: CalloutMinutes(5, 10, 15, 30))
    yellow: CalloutMinutes = field(default_factory=lambda: CalloutMinutes(15, 30, 60, 120))
    blue: CalloutMinutes = field(default_factory=lambda: CalloutMinutes(30, 60, 120, 240))


@dataclass(frozen=True)
class Warnings:
    """Warnings and their approval."""

    approval: str = "other_person"
    break_glass: bool = True
    own_weather: bool = False
    audience_drift_percent: float = 2.0
    approval_reminder_minutes: tuple[int, ...] = (2, 5, 10)
    default_valid_hours: int = 24
    callout: Callout = field(default_factory=Callout)


@dataclass(frozen=True)
class Privacy:
    """Keys, journal, retention."""

    cipher: str = "aes-256-gcm"
    key_file: str = "instance/keys.json"
    journal_anchor: str = "instance/journal.anchor"
    journal_retention_days: int = 1095
    raw_retention_days: int = 180
    drill_photo_days: int = 1095


@dataclass(frozen=True)
class Security:
    """Sign-in and sessions."""

    second_factor: str = "optional"
    session_idle_minutes: int = 30
    session_hours: int = 12
    lock_after_failures: int = 5
    lock_minutes: int = 15
    password_min_length: int = 12
    link_hours: int = 48
    secure_cookies: bool = False
    metrics_token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Config:
    """Every setting, typed."""

    site: Site = field(default_factory=Site)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    server: Server = field(default_factory=Server)
    engine: EngineConfig = field(default_factory=EngineConfig)
    notify: Notify = field(default_factory=Notify)
    warnings: Warnings = field(default_factory=Warnings)
    plans: Plans = field(default_factory=Plans)
    drills: Drills = field(default_factory=Drills)
    privacy: Privacy = field(default_factory=Privacy)
    security: Security = field(default_factory=Security)
    base: Path = ROOT
    """The folder of the configuration file; relative paths start here. Not a setting."""

    def path(self, relative: str) -> Path:
        """A path from the configuration, absolute."""
        return (self.base / relative).resolve()

    @property
    def database_url(self) -> str:
        """The database's URL with a relative SQLite file made absolute."""
        url = self.database.url
        marker = "sqlite:///"
        if url.startswith(marker) and not url.startswith("sqlite:////") and ":memory:" not in url:
            return marker + str(self.path(url.removeprefix(marker)))
        return url

    @property
    def public_url(self) -> str:
        """The address under which phones and providers reach this system, without a slash at the end."""
        if self.site.public_url:
            return self.site.public_url.rstrip("/")
        host = "127.0.0.1" if self.server.host in ("0.0.0.0", "::") else self.server.host  # noqa: S104
        return f"http://{host}:{self.server.port}"


def load(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Config:
    """The configuration in force; `ConfigError` says in one sentence what cannot be used."""
    env = os.environ if environment is None else environment
    chosen = path or (Path(env["EMERGENCY_CONFIG"]) if env.get("EMERGENCY_CONFIG") else ROOT / "config.toml")
    chosen = chosen.resolve()
    try:
        with chosen.open("rb") as source:
            data = tomllib.load(source)
    except FileNotFoundError as error:
        if path or env.get("EMERGENCY_CONFIG"):
            raise ConfigError(N_("The configuration file %(path)s does not exist."), path=str(chosen)) from error
        data = {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(
            N_("The configuration file %(path)s cannot be read: %(why)s"), path=str(chosen), why=str(error)
        ) from error
    _apply_environment(data, env)
    config: Config = _build(Config, data, "")
    config = dataclasses.replace(config, base=chosen.parent)
    _validate(config)
    return config


def stated_language(environment: Mapping[str, str] | None = None) -> str:
    """The language that a configuration names which is refused for something else: its refusal is read in it."""
    env = os.environ if environment is None else environment
    try:
        with Path(env.get("EMERGENCY_CONFIG") or ROOT / "config.toml").open("rb") as source:
            site = tomllib.load(source).get("site", {})
    except (OSError, ValueError):
        site = {}
    said = env.get(f"{PREFIX}SITE__LANGUAGE") or (site.get("language") if isinstance(site, dict) else None)
    return "en" if said == "en" else "zh"


def _apply_environment(data: dict[str, Any], env: Mapping[str, str]) -> None:
    for name, value in sorted(env.items()):
        if not name.startswith(PREFIX):
            continue
        keys = [part.lower() for part in name.removeprefix(PREFIX).split("__")]
        if keys[-1].endswith("_file") and not _known(Config, keys):
            keys[-1] = keys[-1].removesuffix("_file")
            try:
                value = Path(value).read_text("utf-8").strip()
            except OSError as error:
                raise ConfigError(
                    N_("The file named by %(name)s cannot be read: %(why)s"), name=name, why=str(error.strerror)
                ) from error
        section = data
        for key in keys[:-1]:
            section = section.setdefault(key, {})
            if not isinstance(section, dict):
                raise ConfigError(N_("%(name)s does not name a setting."), name=name)
        section[keys[-1]] = value


def _known(cls: type, keys: list[str]) -> bool:
    hints = typing.get_type_hints(cls)
    if keys[0] not in hints:
        return False
    return True if len(keys) == 1 else dataclasses.is_dataclass(hints[keys[0]]) and _known(hints[keys[0]], keys[1:])


def _build(cls: type, data: Mapping[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(cls)
    names = [f.name for f in dataclasses.fields(cls) if f.name != "base"]
    values: dict[str, Any] = {}
    for key, value in data.items():
        name = f"{where}{key}"
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1, cutoff=0.0)
            raise ConfigError(
                N_("config.toml: “%(name)s” is not a setting; the nearest is “%(near)s”. Nothing was started."),
                name=name,
                near=f"{where}{near[0]}",
            )
        hint = hints[key]
        named = typing.get_origin(hint) is Mapping
        if named or dataclasses.is_dataclass(hint):
            if not isinstance(value, Mapping):
                raise ConfigError(N_("config.toml: “%(name)s” is a section, not a value."), name=name)
            values[key] = _named(hint, value, name) if named else _build(typing.cast(type, hint), value, f"{name}.")
        else:
            values[key] = _convert(value, hint, name)
    return cls(**values)


def _named(hint: Any, data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A section whose keys are names that the operator chose."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        if not _NAME.fullmatch(key):
            raise ConfigError(
                N_("config.toml: “%(name)s” is no name for an account: up to 20 small letters, digits and hyphens."),
                name=f"{where}.{key}",
            )
        if not isinstance(value, Mapping):
            raise ConfigError(N_("config.toml: “%(name)s” is a section, not a value."), name=f"{where}.{key}")
        found[key] = _build(typing.get_args(hint)[1], value, f"{where}.{key}.")
    return found


def _convert(value: Any, hint: Any, name: str) -> Any:
    origin = typing.get_origin(hint)
    try:
        if origin is tuple:
            items = [part.strip() for part in value.split(",")] if isinstance(value, str) else list(value)
            return tuple(_convert(item, typing.get_args(hint)[0], name) for item in items)
        if origin is types.UnionType:
            return value
        if hint is bool:
            if isinstance(value, bool):
                return value
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[str(value).lower()]
        if hint in (int, float):
            if isinstance(value, bool):
                raise ValueError
            return hint(value)
        if hint is str and isinstance(value, str):
            return value
        raise ValueError
    except (ValueError, TypeError, KeyError) as error:
        expected = getattr(hint, "__name__", str(hint))
        raise ConfigError(
            N_("config.toml: “%(name)s” should be %(expected)s, not %(value)s."),
            name=name,
            expected=expected,
            value=repr(value) if "token" not in name and "password" not in name else "…",
        ) from error


def _is_url(text: str) -> bool:
    try:
        return bool(sa.make_url(text).database)
    except (sa.exc.ArgumentError, ValueError):
        return False


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(
            N_("config.toml: “%(name)s” should be one of %(choices)s, not “%(value)s”."),
            name=name,
            choices=", ".join(choices),
            value=value,
        )


def _validate(config: Config) -> None:
    if not config.database.url.startswith(("sqlite:///", "postgresql://")) or not _is_url(config.database.url):
        raise ConfigError(N_(
            "config.toml: “database.url” should be sqlite:///file or postgresql://user@host/name. Nothing was started."
        ))  # fmt: skip
    _one_of("site.language", config.site.language, ("zh", "en"))
    _one_of("site.time_zone", config.site.time_zone, ("Asia/Shanghai",))
    _one_of("privacy.cipher", config.privacy.cipher, ("aes-256-gcm", "sm4-gcm"))
    _one_of("security.second_factor", config.security.second_factor, ("optional", "required"))
    _one_of("warnings.approval", config.warnings.approval, ("other_person",))
    if not (len(config.site.division_code) == 12 and config.site.division_code.isdigit()):
        raise ConfigError(N_("config.toml: “site.division_code” is a 12-digit division code."))
    for level in config.notify.quota_spares:
        _one_of("notify.quota_spares", level, ("red", "orange", "yellow", "blue"))
    if "red" not in config.notify.quota_spares and config.notify.daily_quota_per_number:
        raise ConfigError(N_("config.toml: “notify.quota_spares” names red: no red warning is held back by a quota."))
    for name, number in (
        ("notify.daily_quota_per_number", config.notify.daily_quota_per_number),
        ("notify.repeat_minutes", config.notify.repeat_minutes),
        *config.drills.numbers(),
    ):
        if number < 0:
            raise ConfigError(N_("config.toml: “%(name)s” must not be negative."), name=name)
    for name, number, least in (  # below these a message that is merely slow looks lost, and goes twice
        ("engine.lease_seconds", config.engine.lease_seconds, 5),
        ("engine.reconcile_after_seconds", config.engine.reconcile_after_seconds, 15),
    ):
        if number < least:
            raise ConfigError(N_("config.toml: “%(name)s” must be at least %(least)s."), name=name, least=least)
    if config.notify.channel_minutes < 1:
        raise ConfigError(N_("config.toml: “%(name)s” must be at least 1."), name="notify.channel_minutes")
    for name, value in (("server.port", config.server.port), ("notify.gateway.port", config.notify.gateway.port)):
        if not 0 <= value <= 65535:
            raise ConfigError(N_("config.toml: “%(name)s” is not a port."), name=name)
    _validate_accounts("notify.twilio", config.notify.twilio)
    _validate_accounts("notify.twilio.exercise", config.notify.twilio.exercise)
    for name, number in (
        ("engine.batch", config.engine.batch),
        ("engine.expected", config.engine.expected),
        ("engine.concurrency", config.engine.concurrency),
        ("engine.tick_seconds", config.engine.tick_seconds),
        *_voice_numbers("notify.twilio.voice", config.notify.twilio.voice),
        *_voice_numbers("notify.twilio.exercise.voice", config.notify.twilio.exercise.voice),
        ("server.workers", config.server.workers),
    ):
        if number < 1:
            raise ConfigError(N_("config.toml: “%(name)s” must be at least 1."), name=name)
    for name, price in (
        ("notify.twilio.price", config.notify.twilio.price),
        ("notify.twilio.voice.price", config.notify.twilio.voice.price),
        ("notify.twilio.exercise.price", config.notify.twilio.exercise.price),
        ("notify.twilio.exercise.voice.price", config.notify.twilio.exercise.voice.price),
    ):
        if price and not price.replace(".", "", 1).isdecimal():
            raise ConfigError(N_('config.toml: “%(name)s” is a price of one part such as "0.045".'), name=name)


def _voice_numbers(name: str, voice: Voice) -> tuple[tuple[str, int], ...]:
    keys = ("ring_seconds", "repeat", "calls_per_second")
    return tuple((f"{name}.{key}", getattr(voice, key)) for key in keys)


def _validate_accounts(where: str, settings: TwilioAccounts) -> None:
    sids: dict[str, str] = {}
    for key, account in (("", settings), *settings.accounts.items()):
        name = f"{where}.accounts.{key}" if key else where
        if not 0 <= account.weight <= 1000:
            raise ConfigError(N_("config.toml: “%(name)s” lies between 0 and 1000."), name=f"{name}.weight")
        if account.messages_per_second < 1:
            raise ConfigError(N_("config.toml: “%(name)s” must be at least 1."), name=f"{name}.messages_per_second")
        if key and not account.can_send():
            raise ConfigError(
                N_("config.toml: “%(name)s” lacks account_sid, auth_token or a sender. Nothing was started."), name=name
            )
        if account.account_sid and sids.setdefault(account.account_sid, name) != name:
            raise ConfigError(
                N_("config.toml: “%(name)s” is the account of “%(other)s”. Each account is named once."),
                name=name, other=sids[account.account_sid],
            )  # fmt: skip
