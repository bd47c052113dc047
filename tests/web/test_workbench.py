from __future__ import annotations

from datetime import timedelta

from emergency.web.workbench import DayPanel, DayRow, Figure, Step, WaitingItem


def waits(what, due_at=None, level=None):
    return WaitingItem(level, what, "为什么", due_at, "/warnings/1", "去办")


def test_an_empty_workbench_says_so_kindly(client, panels):
    page = client.get("/").text
    assert "周某一，没有事等您处理" in page
    assert "都办完了" in page and "今天平静" in page


def test_red_comes_first_then_what_is_due_first(client, panels, clock):
    now = clock.now()
    panels.register_waiting(
        lambda session, actor, at: [
            waits("没有时限"),
            waits("后天的事", now + timedelta(days=2)),
            waits("过时的事", now - timedelta(minutes=2)),
            waits("红色的事", now + timedelta(hours=9), "red"),
        ]
    )
    page = client.get("/").text
    places = [page.index(words) for words in ("红色的事", "过时的事", "后天的事", "<h3>没有时限")]
    assert places == sorted(places)
    assert "周某一，4 件事等您处理，1 件已过时限" in page
    assert "超 2 分钟" in page and "应在 08:58 前" in page
    assert page.count("btn-primary") == 1


def test_what_does_not_fit_is_counted(client, panels):
    panels.register_waiting(lambda session, actor, at: [waits(f"事{n}") for n in range(20)])
    page = client.get("/").text
    assert "另有 8 件不急" in page and "20 件事等您处理" in page


def test_a_panel_that_fails_becomes_a_sentence(client, panels):
    def broken(session, actor, at):
        raise RuntimeError("the room is on fire")

    panels.register_waiting(broken)
    panels.register_day_panel(broken)
    panels.register_waiting(lambda session, actor, at: [waits("还在")])
    answer = client.get("/")
    assert answer.status_code == 200
    assert "还在" in answer.text and "有 2 处刚才没能读出" in answer.text
    assert "on fire" not in answer.text


def test_a_failed_query_does_not_poison_the_next_panel(client, panels):
    import sqlalchemy as sa

    panels.register_waiting(lambda session, actor, at: session.execute(sa.text("SELECT * FROM nowhere")).all())
    panels.register_figure(
        lambda session, actor, at: Figure(
            "数", str(session.scalar(sa.text("SELECT 41 + 1"))), "处", "说明", "/plans", [1, 2]
        )
    )
    page = client.get("/").text
    assert "42" in page and 'class="spark"' in page and 'href="/plans"' in page


def test_the_day_and_the_checklist(client, panels):
    panels.register_day_panel(
        lambda session, actor, at: DayPanel(
            "本周演练", "1 场", [DayRow("周三", "台头镇", "能到", "/drills/1", "done")], "/drills"
        )
    )
    panels.register_first_run(
        lambda session, actor, at: [Step("有区划", True, "/map"), Step("有岗位", False, "/posts", "导入或录入")]
    )
    page = client.get("/").text
    assert "本周演练" in page and '<span class="state done">能到</span>' in page
    assert "2 项已办 1 项" in page and "导入或录入" in page


def test_a_checklist_that_is_done_is_gone(client, panels):
    panels.register_first_run(lambda session, actor, at: [Step("有区划", True, "/map")])
    assert "发第一条预警之前" not in client.get("/").text
