"""The parts that every room's pages are made of."""

from __future__ import annotations

from types import SimpleNamespace

import flask
import pytest
from flask_wtf import FlaskForm
from wtforms import BooleanField, HiddenField, RadioField, SelectField, StringField, TextAreaField
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired, Optional

from emergency.http.paging import Page
from emergency.people.posts.models import PostState


class Named(SelectField):
    """A room's own field class."""


class DepotForm(FlaskForm):
    name = StringField("名称", [DataRequired("请填写名称。")])
    kind = Named("种类", choices=[SelectChoice("a", "区级"), SelectChoice("b", "镇级")])
    way = RadioField("方式", choices=[SelectChoice("x", "电话"), SelectChoice("y", "短信")])
    sure = BooleanField("已核实")
    note = TextAreaField("备注", [Optional()])
    key = HiddenField(default="7")


@pytest.fixture
def render(shell_app: flask.Flask):
    def draw(source: str, path: str = "/map", **values):
        with shell_app.test_request_context(path):
            return flask.render_template_string('{% import "macros.html" as ui %}' + source, **values)

    return draw


@pytest.fixture
def form(shell_app: flask.Flask):
    with shell_app.test_request_context("/", method="POST", data={"kind": "b", "note": "<b>"}):
        made = DepotForm()
        made.validate()
        return made


def test_a_field_has_label_hint_and_error_tied_to_it(render, form):
    page = render("{{ ui.field(form.name, hint='写全称') }}", form=form)
    assert '<label class="form-label" for="name">名称</label>' in page
    assert 'aria-describedby="name-hint name-error"' in page and 'aria-invalid="true"' in page
    assert 'id="name-hint">写全称' in page and 'id="name-error">请填写名称。' in page


def test_every_kind_of_field_is_drawn_by_its_widget(render, form):
    page = render("{% for f in form %}{{ ui.field(f) }}{% endfor %}", form=form)
    assert '<select class="form-select" id="kind"' in page
    assert "<fieldset" in page and page.count('type="radio"') == 2
    assert '<label class="form-check">' in page and 'type="checkbox"' in page
    assert "（可不填）" in page and "&lt;b&gt;" in page
    assert page.count('type="hidden"') >= 1 and 'for="key"' not in page


def test_errors_stand_together_and_lead_to_their_fields(render, form):
    page = render("{{ ui.errors(form) }}", form=form)
    assert 'role="alert"' in page and '<a href="#name">名称</a>：请填写名称。' in page
    assert "您填的内容都在" in page


def test_a_level_is_colour_shape_and_word(render):
    page = render(
        "{{ ui.level_badge('orange') }}{{ ui.level_badge('red', '洪水红色预警') }}{{ ui.level_shape('blue') }}"
    )
    assert '<span class="level o"><i class="shape" aria-hidden="true"></i>橙色 二级</span>' in page
    assert "洪水红色预警" in page and '<span class="visually-hidden">蓝色 四级</span>' in page


def test_a_state_wears_its_tone_and_late_is_reversed(render):
    page = render("{{ ui.state_badge(s) }}{{ ui.state_badge(s, overdue=True) }}", s=PostState.HELD)
    assert '<span class="state done">在岗</span>' in page and '<span class="state late">在岗</span>' in page


def test_the_pager_keeps_the_filters(render):
    page = render("{{ ui.pager(page) }}", path="/posts?kind=a&cursor=old", page=Page([1, 2], "next"))
    assert 'href="/posts?kind=a&amp;cursor=next"' in page and 'href="/posts?kind=a"' in page
    assert "本页 2 条" in page
    assert "<nav" not in render("{{ ui.pager(page) }}", path="/posts", page=Page([1], None))


def test_the_confirm_panel_repeats_what_will_happen_and_asks_for_a_reason(render):
    page = render(
        "{{ ui.confirm_panel('/a/7', '关闭仓库', '4 批物资移到区库。', '关闭', phrase='4', reason=True, tone='issue', hidden={'version': 3}) }}"
    )
    assert 'name="csrf_token"' in page and 'name="version" value="3"' in page
    assert "4 批物资移到区库。" in page and 'name="confirm"' in page and 'name="reason"' in page
    assert "btn-issue" in page


def test_the_timeline_says_who_and_why_in_words(render, clock):
    change = SimpleNamespace(at=clock.now(), to_state="held", actor="system:cli.root", reason="<补录>", field="state")
    page = render("{{ ui.timeline(changes, {}, states) }}", changes=[change], states=PostState)
    assert "在岗" in page and "控制台 root" in page and "&lt;补录&gt;" in page


def test_a_masked_value_asks_why_before_it_is_shown(render):
    page = render("{{ ui.masked('154****0317', '/contacts/7/reveal') }}")
    assert "154****0317" in page and 'action="/contacts/7/reveal"' in page
    assert 'name="purpose" required' in page and "核实联系方式" in page and "记入日志" in page
    assert "<details" not in render("{{ ui.masked('154****0317') }}")


def test_an_empty_list_says_what_to_do_next(render):
    page = render("{{ ui.empty('还没有仓库。', '新增一个', '/depots/new') }}")
    assert "还没有仓库。" in page and 'href="/depots/new"' in page


def test_numbers_of_long_work_are_in_words_too(render):
    page = render("{{ ui.progress(300, 1200, '错误 2') }}")
    assert '<progress max="1200" value="300"' in page and "300 / 1,200" in page
