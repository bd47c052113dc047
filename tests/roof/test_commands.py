"""The command line as a newcomer, a programme and an attacker use it."""

from __future__ import annotations

import csv
import inspect
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from emergency import config
from emergency.cli import cli
from emergency.commands.sheets import NOUNS
from emergency.commands.words import LIBRARY, commands
from emergency.config import ConfigError
from emergency.http import i18n
from emergency.privacy import keys
from tests.roof.conftest import SECRET, Run

ROOT = Path(__file__).parents[2]
REPORT = {"rows", "created", "updated", "unchanged", "errors"}


# --- wrong usage, refusals, what leaves with which code -------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("bogus",),
        ("db",),
        ("db", "check", "--nothing"),
        ("import", "plans-and-more", "x.csv"),
        ("import", "residents"),
        ("export", "residents"),
        ("serve", "--port", "abc"),
        ("users", "create", "anna", "--role", "auditor", "--division", "120118000000"),
        ("users", "create", "anna", "--role", "god", "--division", "120118000000", "--link"),
        ("tokens", "create", "duty"),
        ("warnings", "show", "abc"),
        ("warnings", "cancel", "1"),
        ("notify", "test"),
    ],
)
def test_wrong_usage_is_2(site: Path, run: Run, words: tuple[str, ...]) -> None:
    ran = run(*words)
    assert ran.code == 2 and ran.err and not ran.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("warnings", "show", "1"), "no such warning"),
        (("warnings", "cancel", "1", "--reason", "x"), "no such warning"),
        (("notify", "test", "--to", "1"), "no holder"),
        (("notify", "test", "--to", "1", "--channel", "pigeon"), "no channel “pigeon”"),
        (("users", "link", "nobody"), "nobody"),
        (("tokens", "create", "nobody", "--name", "x"), "nobody"),
        (("users", "create", "anna", "--role", "auditor", "--division", "99", "--link"), "99"),
        (("db", "verify", "none.bak"), "There is no file"),
        (("db", "restore", "none.bak"), "There is no file"),
        (("db", "backup", "/nowhere/at/all"), "No such file or directory"),
        (("import", "residents", "/nowhere.csv"), "nowhere.csv"),
        (("export", "divisions", "-o", "/nowhere/x.csv"), "No such file or directory"),
        (("demo", "clear", "--yes"), "not made by"),
        (("demo", "load"), "holds a district already"),
        (("demo", "rehearse"), "demo load"),
        (("serve", "--port", "99999"), "not a port"),
        (("serve", "--demo-links"), "demo district only"),
    ],
)
def test_a_refusal_is_1_with_its_reason_on_stderr(site: Path, run: Run, words: tuple[str, ...], says: str) -> None:
    before = (site / "instance" / "keys.json").read_bytes()
    ran = run(*words)
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.err and len(ran.err.strip().splitlines()) == 1
    assert (site / "instance" / "keys.json").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("EMERGENCY__SITE__NAMEE", "x", "the nearest is “site.name”"),
        ("EMERGENCY__DATABASE__URL", "mysql://x/y", "database.url"),
        ("EMERGENCY__DATABASE__URL", "postgresql://nobody@127.0.0.1:9/none", "does not answer"),
        ("EMERGENCY_CONFIG", "/nowhere.toml", "/nowhere.toml"),
        ("EMERGENCY__NOTIFY__TWILIO__AUTH_TOKEN_FILE", "/nowhere", "No such file or directory"),
        ("EMERGENCY__SERVER__PORT", "70000", "“server.port” is not a port"),
        ("EMERGENCY__NOTIFY__GATEWAY__PORT", "-1", "“notify.gateway.port” is not a port"),
        ("EMERGENCY__ENGINE__LEASE_SECONDS", "1", "“engine.lease_seconds” must be at least 5"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_one_sentence(
    site: Path, run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv("EMERGENCY__SITE__LANGUAGE", "en")
    monkeypatch.setenv(name, value)
    ran = run("db", "check")
    assert (ran.code, ran.out) == (1, "") and says in ran.err
    monkeypatch.setenv("EMERGENCY__SITE__LANGUAGE", "zh")
    for said in (ran.err, run("db", "check").err):
        assert "%(" not in said and len(said.strip().splitlines()) == 1


@pytest.mark.parametrize("command", ["serve", "web"])
def test_a_refused_port_stays_with_the_command_that_named_it(site: Path, run: Run, command: str) -> None:
    before = dict(os.environ)
    ran = run(command, "--port", "99999")
    assert ran.code == 1 and "“server.port” is not a port" in ran.err
    assert dict(os.environ) == before
    assert run("db", "check").code == 0


def test_an_error_is_whole_wherever_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMERGENCY__SERVER__PORT", "70000")
    result = CliRunner().invoke(cli, ["db", "check"])
    assert "“server.port” is not a port" in repr(result) and "%(" not in repr(result)
    with pytest.raises(ConfigError, match=r"“server\.port” is not a port") as caught:
        config.load()
    assert "%(" not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize(
    "words", [("db", "check"), ("serve",), ("web",), ("engine",), ("warnings", "list"), ("keys", "rotate")]
)
def test_nothing_works_and_nothing_is_made_before_the_first_run(
    nothing_yet: Path, run: Run, words: tuple[str, ...]
) -> None:
    ran = run(*words)
    assert ran.code == 1 and "There is no database yet" in ran.err
    assert {path.name for path in (nothing_yet / "instance").iterdir()} <= {"serve.lock", "use.lock"}


def test_a_newer_database_is_left_alone(site: Path, run: Run) -> None:
    import sqlite3

    path = site / "instance" / "emergency.db"
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    content = path.read_bytes()
    for words in (("db", "check"), ("db", "upgrade"), ("serve",), ("engine",), ("demo", "load", "--if-empty")):
        ran = run(*words)
        assert ran.code == 1 and "newer version (9999)" in ran.err
    assert path.read_bytes() == content


# --- export, then import ---------------------------------------------------------------------------------------------

SHEETS = {
    "units": "code,name,division_code,sectors,address,lat,lon,contact_name,contact_phone\n"
    "U1,胜利小学,120118104201,小学,胜利村1号,39.03,116.85,张某一,15400000001\n"
    "U2,二号厂,120118104201,,,,,,\n",
    "residents": "external_id,division_code,name,phone,household,address,lat,lon,needs\n"
    "R1,120118104201,张某一,15400000001,H1,胜利村1号,39.03,116.85,轮椅\n"
    "R2,120118104201,李某二,,H1,胜利村1号,,,\n"
    "R3,120118104201,王某三,1540000000x,H2,,,,\n",
    "posts": "division_code,duty,name,phone,deputy_order\n"
    "120118104201,防汛责任人,张某一,15400000001,0\n120118104201,防汛责任人,李某二,16300000002,1\n"
    "120118104000,联络员,,,0\n",
    "supplies": "item_code,item_name,unit,depot,ownership,lot,quantity,made_on,expires_on\n",
    "terms": "school_year,term,begins_on,ends_on,announced\n"
    "2026-2027,1,2026-09-01,2027-01-22,1\n2026-2027,2,2027-02-22,2027-07-09,0\n",
    "holidays": "year,date,kind,name\n2026,2026-10-01,off,国庆节\n2026,2026-10-10,work,国庆节\n",
}


@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_export_then_import_changes_nothing(site: Path, run: Run, tmp_path: Path, noun: str) -> None:
    if noun in SHEETS:
        source = tmp_path / "in.csv"
        source.write_text(SHEETS[noun], "utf-8")
        assert run("import", noun, str(source), "--format", "json").code == 0
    first = run("export", noun, "--purpose", "audit")
    assert first.code == 0 and not first.err
    rows = list(csv.reader(io.StringIO(first.out)))
    assert tuple(rows[0]) == NOUNS[noun].columns
    assert len(rows) - 1 == (SHEETS[noun].count("\n") - 1 if noun in SHEETS else 5)
    for target in (tmp_path / "out.csv", tmp_path / "out.xlsx"):
        if noun == "holidays" and target.suffix == ".xlsx":
            continue  # an announcement comes as JSON or as our own CSV
        assert run("export", noun, "--purpose", "audit", "-o", str(target)).code == 0
        for option in (("--dry-run",), ()):
            ran = run("import", noun, str(target), "--format", "json", *option)
            facts = json.loads(ran.out)
            assert ran.code == 0 and set(facts) == REPORT
            assert (facts["created"], facts["updated"], facts["unchanged"]) == (0, 0, len(rows) - 1)
    assert run("export", noun, "--purpose", "audit").out == first.out


def test_an_import_reports_as_promised_and_leaves_with_1_where_a_row_was_refused(
    site: Path, run: Run, tmp_path: Path
) -> None:
    source = tmp_path / "in.csv"
    source.write_text(
        "编号,区划代码,姓名,电话,血型\nR1,120118104201,张某一,15400000001,O\nR2,999999999999,李某二,15400000002,A\n",
        "gb18030",
    )
    for option in (("--dry-run",), ()):
        ran = run("import", "residents", str(source), "--format", "json", *option)
        facts = json.loads(ran.out)
        assert ran.code == 1 and set(facts) == {*REPORT, "ignored_columns"}
        assert (facts["rows"], facts["created"], facts["ignored_columns"]) == (2, 1, ["血型"])
        (error,) = facts["errors"]
        assert set(error) == {"row", "column", "code", "message"} and error["row"] == 3
    told = run("import", "residents", str(source))
    assert told.code == 1 and "Row 3" in told.err and "1 refused" in told.out
    assert "15400000002" not in told.err + told.out


def test_what_reads_personal_data_asks_why_and_is_journalled(site: Path, run: Run) -> None:
    for noun, kept in NOUNS.items():
        assert run("export", noun).code == (2 if kept.personal else 0)
    assert run("export", "posts", "--purpose", "curiosity").code == 2
    assert run("export", "posts", "--purpose", "audit").code == 0
    entries = list(csv.DictReader(io.StringIO(run("journal", "export").out)))
    mine = [entry for entry in entries if entry["kind"] == "personal.exported" and "posts" in entry["data"]]
    assert [entry["purpose"] for entry in mine] == ["audit"]
    assert mine[0]["actor"].startswith("system:cli.")


# --- accounts ---------------------------------------------------------------------------------------------------------


def test_accounts_links_and_tokens(site: Path, run: Run) -> None:
    words = ("users", "create", "anna", "--role", "duty-officer", "--division", "120118000000")
    assert run(*words, "--password-stdin", stdin="short\n").code == 1
    made = run(*words, "--password-stdin", stdin="Correct-Horse-77\n")
    assert made.code == 0 and "Correct-Horse-77" not in made.out + made.err
    assert run(*words, "--link").code == 1  # there is one of this name
    link = run("users", "link", "anna")
    assert link.code == 0 and link.out.startswith("http://127.0.0.1:8790/enter/") and len(link.out.split()) == 1
    token = run("tokens", "create", "anna", "--name", "acceptance")
    assert token.code == 0 and token.out.split()[-1].startswith("jhe_") and "jhe_" not in token.err
    other = run("tokens", "create", "anna", "--name", "another")
    assert other.out.split()[-1] != token.out.split()[-1]


# --- the database, the keys -------------------------------------------------------------------------------------------


def test_backup_verify_restore_and_the_journal_by_command(site: Path, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "x.bak"
    assert run("db", "backup", str(file)).code == 0
    assert run("users", "create", "late", "--role", "auditor", "--division", "120118000000", "--link").code == 0
    facts = json.loads(run("db", "verify", str(file), "--format", "json").out)
    assert facts["journal_fault"] is None and facts["rows"] > 5
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    (tmp_path / "bad.bak").write_bytes(content)
    assert run("db", "restore", str(tmp_path / "bad.bak")).code == 1
    assert run("users", "link", "late").code == 0  # nothing was changed
    restored = json.loads(run("db", "restore", str(file), "--format", "json").out)
    assert Path(restored["kept"]).exists()
    assert run("users", "link", "late").code == 1
    verdict = run("journal", "verify", "--format", "json")
    assert verdict.code == 0 and json.loads(verdict.out)["whole"] is True


def test_a_restore_begins_an_installation_on_another_machine(
    site: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("db", "backup", str(tmp_path / "x.bak")).code == 0
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "instance").mkdir(parents=True)
    shutil.copy(site / "config.toml", elsewhere)
    monkeypatch.setenv("EMERGENCY_CONFIG", str(elsewhere / "config.toml"))
    assert "is missing" in run("db", "restore", str(tmp_path / "x.bak")).err
    shutil.copy(site / "instance" / "keys.json", elsewhere / "instance")
    assert run("db", "restore", str(tmp_path / "x.bak")).code == 0
    assert run("journal", "verify").code == 0
    assert run("export", "divisions").out.count("\n") == 6


def test_keys_are_rotated_resumed_and_the_cipher_changed(
    site: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.csv").write_text(SHEETS["residents"], "utf-8")
    assert run("import", "residents", str(tmp_path / "r.csv")).code == 0
    before = run("export", "residents", "--purpose", "audit").out
    assert "Key 2 seals" in run("keys", "rotate").out

    from emergency.privacy import rotation

    def break_off(*_arguments: object) -> int:
        raise OSError(28, "No space left on device", "disk")

    with monkeypatch.context() as patch:
        patch.setattr(rotation, "reseal", break_off)
        assert run("keys", "rotate").code == 1
    resumed = run("keys", "rotate")
    assert resumed.code == 0 and "interrupted" in resumed.out and "Key 3 seals" in resumed.out
    monkeypatch.setenv("EMERGENCY__PRIVACY__CIPHER", "sm4-gcm")
    assert "Key 4 seals" in run("keys", "rotate").out
    assert run("export", "residents", "--purpose", "audit").out == before
    assert (site / "instance" / "keys.json").stat().st_mode & 0o077 == 0
    ring = keys.load(site / "instance" / "keys.json")
    assert sorted(ring.sealing) == [1, 2, 3, 4]


def test_lists_and_states_are_json_where_a_programme_reads_them(site: Path, run: Run) -> None:
    for words in (("warnings", "list"), ("drills", "due"), ("drills", "overdue")):
        assert json.loads(run(*words, "--format", "json").out) == []
        assert run(*words).code == 0
    status = json.loads(run("notify", "status", "--format", "json").out)
    assert status["engines"] == 0 and status["lanes"] == []
    assert run("notify", "drain").code == 0
    assert json.loads(run("notify", "status", "--format", "json").out)["draining_until"].endswith("+08:00")
    assert run("notify", "drain", "--resume").code == 0
    assert json.loads(run("notify", "status", "--format", "json").out)["draining_until"] is None


# --- secrets, languages, other users ---------------------------------------------------------------------------------


def test_no_command_prints_a_key_or_a_token(site: Path, run: Run) -> None:
    ring = json.loads((site / "instance" / "keys.json").read_text("ascii"))
    secrets = [SECRET, ring["index"], ring["journal"], ring["signing"], *ring["sealing"].values()]
    told = ""
    for words in (("doctor",), ("notify", "status"), ("journal", "export"), ("keys", "rotate"), ("db", "check")):
        ran = run(*words)
        told += ran.out + ran.err
    assert told and not [secret for secret in secrets if secret in told]


def _texts() -> set[str]:
    found = set(LIBRARY)
    for command in commands(cli):
        found |= {inspect.cleandoc(command.help or f"{command.name} has no help")}
        found |= {option.help for option in command.params if isinstance(option, click.Option) and option.help}
    return found


def test_every_command_and_option_explains_itself_in_chinese() -> None:
    catalogue = i18n.catalogue("zh")
    assert not [text for text in _texts() if catalogue.gettext(text) == text]


def _shell(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "emergency", *words],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}, timeout=60, check=False,
    )  # fmt: skip


def test_the_shell_is_spoken_to_in_the_configured_language(site: Path) -> None:
    zh = _shell("import", "--help", EMERGENCY__SITE__LANGUAGE="zh")
    assert zh.returncode == 0 and "用法" in zh.stdout and "只检查，不写入。" in zh.stdout
    wrong = _shell("bogus", EMERGENCY__SITE__LANGUAGE="zh")
    assert wrong.returncode == 2 and "没有命令" in wrong.stderr and not wrong.stdout
    refused = _shell("db", "verify", "none", EMERGENCY__SITE__LANGUAGE="zh")
    assert refused.returncode == 1 and refused.stderr.strip() == "没有文件 none。"


AS_NOBODY = """
import os, sys
from emergency.cli import main

def run():
    try:
        main()
    except SystemExit as left:
        return left.code

sys.argv = ["emergency", *sys.argv[1:]]
run()  # everything is imported while it may be read
os.setgid(65534)
os.setuid(65534)
sys.stderr.write("-- as nobody\\n")
sys.exit(run())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_without_permission_is_told_so(site: Path) -> None:
    with tempfile.TemporaryDirectory() as place:  # the tests' own folders are closed to everybody else
        shutil.copytree(site, place, dirs_exist_ok=True)
        for folder in (place, f"{place}/instance"):
            Path(folder).chmod(0o755)
        ran = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, "db", "check"],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "EMERGENCY_CONFIG": f"{place}/config.toml"},
        )  # fmt: skip
    told = ran.stderr.partition("-- as nobody\n")[2]
    assert ran.returncode == 1 and "No permission to write" in told and len(told.strip().splitlines()) == 1


# --- delivery ----------------------------------------------------------------------------------------------------------


def _waiting(site: Path) -> int:
    """One message of a post in the ledger, entered a minute ago."""
    from datetime import UTC, datetime, timedelta

    from emergency import config as configuration
    from emergency import runtime
    from kernel.clock import ManualClock
    from notify import service
    from notify.models import Kind

    past = datetime.now(UTC) - timedelta(minutes=1)
    built = runtime.build(configuration.load(), clock=ManualClock(past))
    with built.database.write() as session:
        spec = service.BroadcastSpec(
            kind=Kind.ACTUAL, priority=0, text="河水上涨。", valid_until=past + timedelta(hours=2), channels=["sms"],
            subject_kind="question", subject_id=7,
        )  # fmt: skip
        people = [service.Recipient("post:1", "120118104000", 1, b"1" * 16)]
        first = service.deliver(session, spec, people).first_id + 1
    built.close()
    return first


def test_status_ends_with_one_while_something_waits_and_nothing_leaves(site: Path, run: Run) -> None:
    assert run("notify", "status").code == 0
    _waiting(site)
    told = run("notify", "status")
    assert told.code == 1
    assert "1 real warnings wait and nothing has left for" in told.err and "No engine lives" in told.err
    found = run("notify", "status", "--json")
    facts = json.loads(found.out)
    assert found.code == 1
    assert (facts["silent"], facts["alarm"]["cause"], facts["waiting"]) == (True, "no_engine", 1)


def test_the_unknown_are_listed_and_settled_at_the_console(site: Path, run: Run) -> None:
    import sqlite3

    message = _waiting(site)
    assert json.loads(run("notify", "settle", "--format", "json").out)["messages"] == []
    refused = run("notify", "settle", str(message), "--as", "failed", "--reason", "x")
    assert refused.code != 0 and "known by now" in refused.err
    with sqlite3.connect(site / "instance" / "emergency.db") as raw:
        raw.execute("UPDATE delivery SET state = 'unknown', reason = 'by_hand', attempt = 1")
        raw.execute("UPDATE delivery_tally SET state = 'unknown'")
    listed = json.loads(run("notify", "settle", "--format", "json").out)
    assert [row["message"] for row in listed["messages"]] == [message] and listed["broadcasts"][0]["count"] == 1
    assert run("notify", "settle", str(message), "--as", "handed-over").code != 0
    assert "1 messages settled" in run(
        "notify", "settle", "--broadcast", str(listed["broadcasts"][0]["broadcast"]), "--count", "1", "--as",
        "handed-over", "--reason", "asked the provider",
    ).out  # fmt: skip
    assert "Nothing has to be settled" in run("notify", "settle").out
