"""Configuration: typed, closed, and every refusal one clear sentence."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from emergency import config as configuration
from emergency.config import Config, ConfigError, load

ROOT = Path(__file__).resolve().parents[2]


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_documented_file_holds_every_setting_with_its_default() -> None:
    documented = load(ROOT / "config.toml", environment={})
    assert dataclasses.replace(documented, base=Config().base) == Config()

    def keys(value: object, prefix: str = "") -> set[str]:
        found = set()
        for field in dataclasses.fields(value):  # type: ignore[arg-type]
            inner = getattr(value, field.name)
            if dataclasses.is_dataclass(inner):
                found |= keys(inner, f"{prefix}{field.name}.")
            elif field.name != "base" and not isinstance(inner, Mapping):  # named accounts: there are none by default
                found.add(f"{prefix}{field.name}")
        return found

    def written(table: dict[str, object], prefix: str = "") -> set[str]:
        found = set()
        for key, value in table.items():
            found |= written(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}"}
        return found

    assert written(tomllib.loads((ROOT / "config.toml").read_text("utf-8"))) == keys(Config())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[site]\nnam = "x"', r"“site\.nam” is not a setting; the nearest is “site\.name”"),
        ("[serverr]\nport = 1", r"“serverr” is not a setting; the nearest is “server”"),
        ('[server]\nport = "many"', r"“server\.port” should be int, not 'many'"),
        ("[server]\nport = 99999", r"“server\.port” is not a port"),
        ("[server]\nport = true", r"“server\.port” should be int"),
        ('site = "x"', r"“site” is a section"),
        ('[privacy]\ncipher = "rot13"', r"should be one of aes-256-gcm, sm4-gcm"),
        ('[site]\ndivision_code = "12"', r"12-digit"),
        ("[engine]\nbatch = 0", r"at least 1"),
        ("[engine]\nlease_seconds = 4", r"“engine\.lease_seconds” must be at least 5"),
        ("[engine]\nreconcile_after_seconds = 5", r"“engine\.reconcile_after_seconds” must be at least 15"),
        ("[site", r"cannot be read"),
        ("[notify.twilio]\nauth_tokn = 'x'", r"“notify\.twilio\.auth_tokn” is not a setting; the nearest is “notify\.twilio\.auth_token”"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load(_file(tmp_path, text), environment={})


def test_a_file_in_another_encoding_or_absent_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes('[site]\nname = "静海"'.encode("gb18030"))
    with pytest.raises(ConfigError, match="cannot be read"):
        load(path, environment={})
    with pytest.raises(ConfigError, match="does not exist"):
        load(tmp_path / "none.toml", environment={})


def test_the_environment_overrides_and_files_hold_secrets(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")
    path = _file(tmp_path, '[server]\nport = 8001\n[privacy]\nkey_file = "k.json"')
    config = load(
        path,
        environment={
            "EMERGENCY__SERVER__PORT": "9001",
            "EMERGENCY__SECURITY__SECURE_COOKIES": "true",
            "EMERGENCY__NOTIFY__DEFAULT_CHANNELS": "sms, voice",
            "EMERGENCY__WARNINGS__APPROVAL_REMINDER_MINUTES": "1,2",
            "EMERGENCY__NOTIFY__TWILIO__AUTH_TOKEN_FILE": str(secret),
            "EMERGENCY__NOTIFY__TWILIO__EXERCISE__ACCOUNT_SID": "AC1",
            "EMERGENCY__PRIVACY__KEY_FILE": "other.json",
        },
    )
    assert config.server.port == 9001
    assert config.security.secure_cookies is True
    assert config.notify.default_channels == ("sms", "voice")
    assert config.warnings.approval_reminder_minutes == (1, 2)
    assert config.notify.twilio.auth_token == "s3cret"
    assert config.notify.twilio.exercise.account_sid == "AC1"
    assert config.path(config.privacy.key_file) == tmp_path / "other.json"


def test_an_unknown_key_in_the_environment_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nearest"):
        load(_file(tmp_path, ""), environment={"EMERGENCY__SITE__NAMEE": "x"})
    with pytest.raises(ConfigError, match="cannot be read"):
        load(_file(tmp_path, ""), environment={"EMERGENCY__SITE__NAME_FILE": str(tmp_path / "none")})


def test_secrets_never_show_when_a_configuration_is_printed() -> None:
    config = load(ROOT / "config.toml", environment={"EMERGENCY__NOTIFY__TWILIO__AUTH_TOKEN": "s3cret"})
    assert "s3cret" not in repr(config)


def test_a_relative_database_lies_beside_the_file(tmp_path: Path) -> None:
    assert load(_file(tmp_path, ""), environment={}).database_url == f"sqlite:///{tmp_path}/instance/emergency.db"
    absolute = '[database]\nurl = "sqlite:////srv/x.db"'
    assert load(_file(tmp_path, absolute), environment={}).database_url == "sqlite:////srv/x.db"


def test_the_public_address_follows_host_and_port() -> None:
    base = Config()
    assert base.public_url == "http://127.0.0.1:8000"
    server = dataclasses.replace(base.server, host="0.0.0.0", port=9000)
    assert dataclasses.replace(base, server=server).public_url == "http://127.0.0.1:9000"
    site = dataclasses.replace(base.site, public_url="https://warn.example/")
    assert dataclasses.replace(base, site=site).public_url == "https://warn.example"


def test_every_setting_is_explained_where_it_stands() -> None:
    text = (ROOT / "config.toml").read_text("utf-8")
    assert not re.search(r"TODO|FIXME", text)
    assert configuration.ROOT == ROOT
