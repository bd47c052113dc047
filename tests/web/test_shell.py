from __future__ import annotations

import re
from datetime import timedelta

import flask
import pytest
from babel.messages.pofile import read_po

from emergency.http import i18n
from emergency.http.i18n import ngettext
from emergency.http.permissions import Role, public
from emergency.web import shell
from kernel.db import Database


def test_the_frame_names_place_person_and_time(client, beating):
    page = client.get("/").text
    assert '<html lang="zh-CN"' in page
    assert "静海区<small>应急管理局</small>" in page
    assert 'data-clock="' in page and ">09:00:00</b>" in page
    assert "引擎正常" in page
    assert 'action="/sign-out"' in page and 'method="post"' in page
    assert page.count("<h1>") == 1
    assert 'class="skip" href="#main"' in page


def test_a_silent_engine_is_said_on_every_page(client, beating, clock):
    clock.advance(timedelta(minutes=3))
    page = client.get("/map").text
    assert "引擎没有心跳" in page
    assert "3 分钟" in page


def test_nobody_signed_in_sees_the_door_only(shell_app: flask.Flask):
    shell_app.config["ACTOR"] = None

    @shell_app.get("/door")
    @public("test")
    def door() -> str:
        return flask.render_template_string(
            '{% extends "base.html" %}{% block title %}登录{% endblock %}{% block main %}x{% endblock %}'
        )

    client = shell_app.test_client()
    page = client.get("/door").text
    assert "nav-side" not in page and "值班员" not in page
    assert "<h1>登录</h1>" in page
    assert client.get("/").status_code == 303
    assert client.get("/").location == "/sign-in"


def test_navigation_shows_only_where_one_may_go(shell_app: flask.Flask, person):
    shell_app.config["ACTOR"] = person(Role.AUDITOR)
    page = shell_app.test_client().get("/more").text
    assert 'href="/system"' in page and 'href="/map"' in page
    shell_app.config["ACTOR"] = person(Role.STOREKEEPER)
    page = shell_app.test_client().get("/more").text
    assert 'href="/system"' not in page
    assert shell_app.test_client().get("/system").status_code == 403


def test_the_present_place_is_marked(client):
    page = client.get("/map").text
    assert re.search(r'href="/map" aria-current="page"', page)
    assert len(re.findall(r'aria-current="page"', page)) == 2  # the side list and 更多 of the phone's bar


def test_an_exercise_cannot_be_mistaken(shell_app: flask.Flask):
    @shell_app.get("/drill-page")
    @public("test")
    def drill_page() -> str:
        return flask.render_template_string(
            '{% extends "base.html" %}{% block title %}发布{% endblock %}{% block body_class %}drill{% endblock %}'
        )

    page = shell_app.test_client().get("/drill-page").text
    assert "<title>【演练】" in page
    assert "favicon-drill.svg" in page
    assert '<body class="drill">' in page
    assert "drillband" in page


def test_a_warning_in_force_stands_on_every_page(client, monkeypatch):
    strip = shell.Strip("red", "洪水红色预警", "台头镇等 3 镇", 12, 0.614, "/warnings/1", False)
    monkeypatch.setattr(shell, "in_force", lambda session, actor, now: [strip])
    page = client.get("/search").text
    assert 'class="strip r"' in page and "洪水红色预警" in page and "红色 一级" in page
    assert "已发 12 分钟" in page and "61%" in page


def test_a_broken_part_of_the_frame_does_not_take_the_page_with_it(client, monkeypatch):
    def broken(*_args):
        raise RuntimeError

    for name in ("in_force", "on_duty", "division_name", "engine_state"):
        monkeypatch.setattr(shell, name, broken)
    answer = client.get("/")
    assert answer.status_code == 200
    assert "引擎状态不明" in answer.text


@pytest.mark.parametrize(
    ("target", "back"),
    [
        ("/map?in=1", "/map?in=1"),
        ("//evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("", "/"),
    ],
)
def test_the_language_is_kept_in_a_cookie_and_leads_back_inside(client, target, back):
    answer = client.post("/language", data={"language": "en", "next": target})
    assert answer.status_code == 303 and answer.location == back
    assert "language=en" in answer.headers["Set-Cookie"] and "HttpOnly" in answer.headers["Set-Cookie"]
    assert '<html lang="en"' in client.get("/more").text
    assert "Everything in one list" in client.get("/more").text


def test_an_unknown_language_changes_nothing(client):
    assert "Set-Cookie" not in client.post("/language", data={"language": "xx"}).headers


def test_every_answer_holds_the_browser_to_our_own_files(client):
    answer = client.get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


def test_files_with_their_digest_may_be_kept_for_ever(client):
    address = re.search(r'href="(/static/app\.css\?v=[0-9a-f]+)"', client.get("/").text).group(1)
    answer = client.get(address)
    assert answer.status_code == 200 and "immutable" in answer.headers["Cache-Control"]
    assert client.get("/static/../views.py").status_code == 404


def test_the_phone_shows_three_places_and_the_way_to_the_rest(client):
    page = client.get("/").text
    bar = page.split('class="bar4"')[1]
    assert 'href="/more"' in bar


def test_error_pages_say_what_happened_what_was_kept_and_what_to_do(client, database: Database):
    answer = client.get("/no-such-page")
    assert answer.status_code == 404
    for words in ("出了什么事", "保住了什么", "怎么办", "本次请求编号"):
        assert words in answer.text
    client.set_cookie("language", "en")
    assert "What was kept" in client.get("/no-such-page").text


@pytest.mark.parametrize(
    ("language", "one", "many"),
    [("zh", "1 场", "2 场"), ("en", "1 drill", "2 drills")],
)
def test_one_and_many_are_told_apart_where_the_language_does(shell_app, language, one, many):
    with shell_app.test_request_context("/", headers={"Cookie": f"language={language}"}):
        assert [ngettext("%(n)s drill", "%(n)s drills", n, n=n) for n in (1, 2)] == [one, many]


def test_every_plural_is_known_in_chinese_for_any_number():
    """A file without its plural rule would fall back to English from two on."""
    for path in sorted((i18n.TRANSLATIONS / "zh").glob("*.po")):
        with path.open("rb") as source:
            for entry in read_po(source, locale="zh"):
                if isinstance(entry.id, tuple) and entry.string:
                    said = {i18n.catalogue("zh").ngettext(*entry.id, n) for n in (0, 1, 2, 11)}
                    assert said == {entry.string[0]}, (path.name, entry.id)
