from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from support import ACCOUNT, ROOT, SECRET, TOKEN, Gateway, number
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that a test may kill."""
    gateway = Gateway(tmp_path / "record.jsonl")
    yield gateway
    gateway.stop()


def client(gateway: Gateway, token: str = TOKEN) -> Client:
    made = Client(ACCOUNT, token)
    made.api.base_url = gateway.url
    return made


def close(made: Client) -> None:
    made.http_client.session.close()


def page(gateway: Gateway, path: str = "/", cookie: str = "") -> str:
    request = urllib.request.Request(gateway.url + path, headers={"Cookie": cookie} if cookie else {})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return str(answer.read().decode())


def test_the_stock_client_creates_fetches_lists_and_pages(gateway: Gateway, start: int) -> None:
    made = client(gateway)
    sids = [
        made.messages.create(to=number(start), from_="+8602200001234", body=f"第{i}条，请注意防范。").sid
        for i in range(5)
    ]
    assert all(len(sid) == 34 and sid.startswith("SM") for sid in sids)
    one = made.messages(sids[2]).fetch()
    assert (one.body, one.to, one.direction, one.num_segments) == (
        "第2条，请注意防范。",
        number(start),
        "outbound-api",
        "1",
    )
    listed = made.messages.list(to=number(start), page_size=2)
    assert [m.sid for m in listed] == list(reversed(sids))
    assert made.messages.list(to=number(start), from_="+1") == []
    later = one.date_created.replace(year=2099)
    assert made.messages.list(to=number(start), date_sent_after=later) == []
    close(made)


@pytest.mark.parametrize(
    ("to", "body", "code"),
    [
        ("", "x", 21604),
        ("12345", "x", 21211),
        ("+8616400000096", "x", 21614),
        ("+8616400000095", "x", 21610),
        ("+8616400000001", "", 21602),
        ("+8616400000001", "x" * 1601, 21617),
    ],
)
def test_what_the_provider_would_refuse_is_refused(gateway: Gateway, to: str, body: str, code: int) -> None:
    made = client(gateway)
    with pytest.raises(TwilioRestException) as refused:
        made.messages.create(to=to, from_="+8602200001234", body=body)
    assert (refused.value.status, refused.value.code) == (400, code)
    close(made)


def test_a_wrong_token_or_account_is_turned_away(gateway: Gateway) -> None:
    wrong = client(gateway, "wrong")
    with pytest.raises(TwilioRestException) as refused:
        wrong.messages.create(to=number(1), from_="+1", body="x")
    assert refused.value.status == 401
    close(wrong)
    for path in ("/control", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"):
        with pytest.raises(HTTPError) as denied:
            urllib.request.urlopen(gateway.url + path, timeout=5)
        assert denied.value.code == 401
        denied.value.close()


def test_the_record_survives_kill_9_and_a_torn_line(own: Gateway) -> None:
    made = client(own)
    sids = [made.messages.create(to=number(i), from_="+8602200001234", body="雨").sid for i in range(3)]
    close(made)
    own.kill()
    with own.record.open("ab") as file:
        file.write(b'["m",3,"+8616')
    own.start()
    made = client(own)
    assert [m.sid for m in made.messages.list()] == list(reversed(sids))
    fourth = made.messages.create(to=number(9), from_="+8602200001234", body="雨").sid
    close(made)
    assert len({*sids, fourth}) == 4
    assert [to for to, _ in own.taken()] == [number(0), number(1), number(2), number(9)]


def test_control_refuses_what_it_does_not_know(gateway: Gateway) -> None:
    for wrong in ({"share_nonsense": 1}, {"share_500": 2}, {"latency_ms": -1}, {"receipts": "maybe"}):
        with pytest.raises(HTTPError) as refused:
            gateway.control("/faults", wrong)
        assert refused.value.code == 400
        refused.value.close()


def test_the_phones_are_masked_until_one_signs_in(own: Gateway) -> None:
    made = client(own)
    made.messages.create(to=number(90), from_="+8602200001234", body="【演练】请转移。https://e.cn/c/abc【演练】")
    made.messages.create(to=number(91), from_="+8602200001234", body="<script>alert(1)</script>/c/secret-token")
    close(made)
    html = page(own)
    assert 'lang="zh-CN"' in html and "本机短信与电话网关" in html
    assert "164****0100" in html and number(90)[3:] not in html
    assert 'class="badge">演练<' in html
    assert "e.cn/c/abc" not in html and "secret-token" not in html
    assert "<script>" not in html
    data = urllib.parse.urlencode({"secret": SECRET}).encode()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(f"{own.url}/sign-in", data=data, timeout=5) as answer:
        signed = answer.read().decode()
    assert number(90) in signed and "https://e.cn/c/abc" in signed
    assert "口令不对" in page(own, "/?wrong=1")
    assert "Local SMS and call gateway" in page(own, "/?lang=en")
    token = html.split("/phones/")[1].split("?")[0]
    assert "164****0101" in page(own, f"/phones/{token}")
    assert own.control()["phones"] == 2


def test_a_signed_in_phone_writes_back_and_nobody_else_can(own: Gateway) -> None:
    made = client(own)
    made.messages.create(to=number(90), from_="+8602200001234", body="请回复1确认。")
    close(made)
    token = page(own).split("/phones/")[1].split("?")[0]
    body = urllib.parse.urlencode({"body": "1"}).encode()
    urllib.request.urlopen(f"{own.url}/phones/{token}/reply", data=body, timeout=5).close()
    assert own.control()["messages"] == 1
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    opener.open(f"{own.url}/sign-in", data=urllib.parse.urlencode({"secret": SECRET}).encode(), timeout=5).close()
    opener.open(f"{own.url}/phones/{token}/reply", data=body, timeout=5).close()
    assert own.control()["messages"] == 2
    assert json.loads(own.record.read_text("utf-8").splitlines()[-1])[:4] == ["i", 1, "+8602200001234", number(90)]


def test_it_says_in_one_sentence_why_it_cannot_start(own: Gateway, tmp_path: Path) -> None:
    port = own.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "notify.gateway", "--port", port, "--record", str(tmp_path / "other.jsonl")]
    busy = subprocess.run(
        command, env={"GATEWAY_AUTH_TOKEN": "x", "PATH": ""}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert busy.returncode == 1 and busy.stderr.count("\n") == 1
    bare = subprocess.run(command, env={"PATH": ""}, cwd=ROOT, capture_output=True, text=True, check=False)
    assert bare.returncode == 1 and "GATEWAY_AUTH_TOKEN" in bare.stderr


def test_basic_auth_is_compared_whole(gateway: Gateway) -> None:
    pair = base64.b64encode(f"{ACCOUNT}:{TOKEN}x".encode()).decode()
    request = urllib.request.Request(
        f"{gateway.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json", headers={"Authorization": f"Basic {pair}"}
    )
    with pytest.raises(HTTPError) as refused:
        urllib.request.urlopen(request, timeout=5)
    refused.value.close()
