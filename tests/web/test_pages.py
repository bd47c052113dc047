"""Search, map, system."""

from __future__ import annotations

import pytest

from emergency.http.permissions import Role


def test_search_finds_two_characters_by_name_and_by_code(client):
    assert "义和村委会" in client.get("/search?q=义和").text
    assert "台头镇第一小学" in client.get("/search?q=台头").text
    assert "南坝台" in client.get("/search?q=120118104202").text


def test_search_takes_the_readers_text_literally(client):
    page = client.get("/search?q=100%25").text
    assert "棉纺厂" in page and "第一小学" not in page
    assert "没有找到" in client.get("/search?q=_").text
    assert "&lt;b&gt;" in client.get("/search?q=<b>").text


def test_search_stays_inside_the_scope(shell_app, person):
    shell_app.config["ACTOR"] = person(Role.LIAISON, division="120118104000")
    page = shell_app.test_client().get("/search?q=村委会").text
    assert "义和村委会" in page and "东五里" not in page


def test_search_asks_only_what_the_role_may_see(shell_app, person):
    shell_app.config["ACTOR"] = person(Role.AUDITOR)
    assert "第一小学" not in shell_app.test_client().get("/search?q=台头").text


def test_the_map_and_the_list_say_the_same(client):
    page = client.get("/map").text
    assert "静海区：3 个村居，2 家单位" in page
    assert "data-map=" in page and 'href="/map?in=120118104000"' in page
    assert "村居位置为演示推定" in page


def test_one_township_of_the_map(client):
    page = client.get("/map?in=120118104000").text
    assert "台头镇：2 个村居，1 家单位" in page and "东五里" not in page


@pytest.mark.parametrize("code", ["120118100000", "999999999999", "nonsense", "12011810400x"])
def test_the_map_shows_nothing_outside_the_scope(shell_app, code, person):
    shell_app.config["ACTOR"] = person(Role.LIAISON, division="120118104000")
    assert shell_app.test_client().get(f"/map?in={code}").status_code == 404


def test_the_map_can_be_narrowed_to_a_kind_of_unit(client):
    page = client.get("/map?kind=school").text
    assert "第一小学" in page and "棉纺厂" not in page
    assert client.get("/map?kind=nonsense").status_code == 200


def test_the_system_page_tells_facts_and_no_secret(client, beating):
    page = client.get("/system").text
    assert "能发预警吗" in page and "engine-1" in page
    assert "auth_token" not in page and "metrics_token" not in page
    assert "静海区人民政府" in page
