"""Plans on paper: the official form, the papers of a filing, cards and packs, and who may take what."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from docx import Document
from docx.enum.section import WD_ORIENT
from docx.oxml.ns import qn
from docx.shared import Mm

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.http.word import Form, title_lines, width_of
from emergency.people.posts.models import Duty
from emergency.plans import bodies, service
from emergency.plans.drafting import ActionText, Draft, EvacuationText, LevelText, RelianceText, SectionText
from emergency.plans.importing.outline import build
from emergency.plans.importing.word import read_docx
from emergency.plans.models import Part, PlanKind, PlanLevel, ResponseGrade
from emergency.plans.paper import bundle, cards, filing_papers, word
from emergency.privacy.journal import JournalEntry
from kernel.db import Database
from kernel.errors import Forbidden, Invalid, NotFound
from tests.plans.support import DISTRICT, TAITOU, YIHE, add_post, person, signed_in

Make = Callable[..., Any]
PHONE = "16412345678"
TABLE = "| 单位 | 职责 |\n| --- | --- |\n| 水务局 | 巡查\\|抢险 |\n| ^^ | 值守<br>报告 |"
SECTIONS = (
    SectionText("总则", "为做好防汛工作，制定本预案。\n　　适用于全区。", "1", 1, Part.GENERAL),
    SectionText("编制目的", "保护人民生命。", "1.1", 2),
    SectionText("组织指挥体系与职责", TABLE, "2", 1, Part.COMMAND),
    SectionText("预防与预警机制", "监测\x07水情。", "3", 1, Part.PREVENTION),
    SectionText("处置程序", "按级响应。", "4", 1, Part.HANDLING),
    SectionText("应急保障措施", "队伍、物资。", "5", 1, Part.SUPPORT),
    SectionText("事后恢复与重建措施", "消杀、返迁。", "6", 1, Part.RECOVERY),
    SectionText("附则与附件", "按期修订。", "7", 1, Part.ANNEX),
)


@pytest.fixture
def whole_plan(district: Database, make: Make, publish: Make, planner: Actor) -> tuple[int, int, int]:
    """Plan, version in force and a post that it names, held by somebody with a number."""
    with district.write() as session:
        post = add_post(session, TAITOU, Duty.FLOOD_CHIEF, PHONE)
        plan, row = make(session, title="台头镇防汛应急预案", division_code=TAITOU, kind=PlanKind.TOWNSHIP,
                         level=PlanLevel.TOWNSHIP, issuer="台头镇人民政府")  # fmt: skip
        draft = Draft(
            sections=[*SECTIONS[:4], SectionText("处置程序", f"由{bodies.post_token(post)}组织转移。", "4", 1, Part.HANDLING),
                      *SECTIONS[5:]],
            levels=[LevelText(ResponseGrade.II, "水位超过保证水位。", "镇长", [
                ActionText("组织转移", post_id=post, within_minutes=30),
                *(ActionText(f"第{n}项行动", actor_words="镇应急办", within_minutes=n * 60) for n in range(7)),
            ])],
            evacuation=[EvacuationText("镇中心小学", subject_code=YIHE, people=120, route="村主路", means="大客车",
                                       post_id=post, grade=ResponseGrade.II, within_hours=6)],
            reliances=[RelianceText("post", post)], explanation="编制说明第一段。",
        )  # fmt: skip
        row = service.edit_draft(session, actor=planner, version_id=row.id, version=row.version, draft=draft)
        publish(session, row)
        return plan.id, row.id, post


def _opened(data: bytes) -> Any:
    return Document(io.BytesIO(data))


def _squeezed(text: str) -> str:
    return "".join(text.split())


def test_a_version_in_word_has_the_page_of_an_official_document(
    district: Database, planner: Actor, whole_plan: tuple[int, int, int]
) -> None:
    with district.read() as session:
        made = _opened(word.plan_document(session, actor=planner, version_id=whole_plan[1]))
    page = made.sections[0]
    for got, wanted in ((page.page_width, 210), (page.page_height, 297), (page.top_margin, 37), (page.left_margin, 28),
                        (page.right_margin, 26), (page.bottom_margin, 35)):  # fmt: skip
        assert abs(got - Mm(wanted)) < Mm(0.1)
    grid = page._sectPr.find(qn("w:docGrid"))
    assert (grid.get(qn("w:type")), grid.get(qn("w:linePitch"))) == ("lines", "579")
    tighter = int(made.styles["Normal"].element.rPr.find(qn("w:spacing")).get(qn("w:val"))) / 20
    assert 28 * (16 + tighter) <= Mm(156).pt < 29 * (16 + tighter), "28 characters a line"
    assert 22 * 579 / 20 <= Mm(225).pt < 23 * 579 / 20, "22 lines a page"
    for style, font, size in (("Title", "方正小标宋简体", 22), ("Normal", "仿宋_GB2312", 16), ("Heading 1", "黑体", 16),
                              ("Heading 2", "楷体_GB2312", 16), ("Heading 3", "仿宋_GB2312", 16)):  # fmt: skip
        fonts = made.styles[style].element.rPr.find(qn("w:rFonts"))
        assert fonts.get(qn("w:eastAsia")) == font and not [key for key in fonts.attrib if key.endswith("Theme")]
        assert made.styles[style].font.size.pt == size
    assert made.styles["Heading 3"].font.bold
    assert made.settings.odd_and_even_pages_header_footer
    assert "PAGE" in page.footer._element.xml and "PAGE" in page.even_page_footer._element.xml
    assert page.footer.paragraphs[0].alignment != page.even_page_footer.paragraphs[0].alignment
    landscape = made.sections[-1]
    assert landscape.orientation == WD_ORIENT.LANDSCAPE and landscape.page_width > landscape.page_height
    assert all(table.rows[0]._tr.trPr.find(qn("w:tblHeader")) is not None for table in made.tables)
    body = next(p for p in made.paragraphs if p.text.startswith("为做好防汛"))
    assert body._p.pPr.find(qn("w:ind")).get(qn("w:firstLineChars")) == "200"


def test_word_loses_no_character_of_the_version(
    district: Database, planner: Actor, whole_plan: tuple[int, int, int]
) -> None:
    with district.read() as session:
        held = word.whole(session, actor=planner, version_id=whole_plan[1])
        made = _opened(word.plan_document(session, actor=planner, version_id=whole_plan[1]))
    body = [element for element in made.element.body.iterchildren() if element.tag != qn("w:sectPr")]
    text = _squeezed("".join(t.text or "" for element in body for t in element.iter(qn("w:t"))))
    wanted = _squeezed("".join(
        f"{s.number}{s.heading}{bodies.to_text(s.body, held.posts)}" for s in held.text.sections
    ).replace("\x07", ""))  # fmt: skip
    assert wanted in text
    assert "台头镇 防汛责任人" in bodies.to_text(held.text.sections[4].body, held.posts)
    assert text.startswith("台头镇防汛应急预案")
    for piece in ("组织转移", "30分钟内", "镇中心小学", "义和村", "台头镇人民政府", "2026年11月2日"):
        assert piece in text, piece


def test_word_names_nobody(district: Database, planner: Actor, whole_plan: tuple[int, int, int]) -> None:
    with district.read() as session:
        data = word.plan_document(session, actor=planner, version_id=whole_plan[1])
    made = _opened(data)
    core = made.core_properties
    assert (core.author, core.last_modified_by, core.comments) == ("", "", "")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist()).decode("utf-8", "replace")
    assert PHONE not in everything and "张某一" not in everything and "周某一" not in everything


def test_a_draft_and_an_exercise_say_so_on_every_page(district: Database, planner: Actor, make: Make) -> None:
    with district.write() as session:
        _plan, row = make(session)
    with district.read() as session:
        made = _opened(word.plan_document(session, actor=planner, version_id=row.id, exercise=True))
    page = made.sections[0]
    for header in (page.header, page.even_page_header):
        assert "【演练】" in header.paragraphs[0].text and "草稿" in header.paragraphs[0].text
    assert "年" not in "".join(p.text for p in made.paragraphs[-3:])


def test_a_text_without_numbers_gets_the_official_ones(district: Database, planner: Actor, make: Make) -> None:
    with district.write() as session:
        _plan, row = make(session)
        row = service.edit_draft(session, actor=planner, version_id=row.id, version=row.version, draft=Draft(sections=[
            SectionText("总则", depth=1), SectionText("目的", depth=2), SectionText("依据", depth=2),
            SectionText("法律", depth=3), SectionText("国家", depth=4), SectionText("职责", depth=1),
            SectionText("办公室", depth=2),
        ]))  # fmt: skip
    with district.read() as session:
        made = _opened(word.plan_document(session, actor=planner, version_id=row.id))
    found = [p.text for p in made.paragraphs if p.style.name.startswith("Heading")]
    assert found == ["一、总则", "（一）目的", "（二）依据", "1.法律", "（1）国家", "二、职责", "（一）办公室"]


def test_merged_cells_stay_merged(district: Database, planner: Actor, whole_plan: tuple[int, int, int]) -> None:
    with district.read() as session:
        made = _opened(word.plan_document(session, actor=planner, version_id=whole_plan[1]))
    table = made.tables[0]
    assert table.cell(1, 0)._tc is table.cell(2, 0)._tc and table.cell(1, 0).text == "水务局"
    assert table.cell(1, 1).text == "巡查|抢险" and table.cell(2, 1).text == "值守\n报告"


def test_a_picture_that_word_cannot_carry_is_named_and_the_rest_stands() -> None:
    form = Form("试验")
    assert not form.picture(b"RIFF0000WEBP", "图")
    form.paragraph("后文")
    assert [p.text for p in _opened(form.to_bytes()).paragraphs] == ["后文"]


def test_the_filing_letter_follows_the_table_of_destinations(
    district: Database, planner: Actor, whole_plan: tuple[int, int, int]
) -> None:
    with district.read() as session:
        rows = filing_papers.filed(session, actor=planner, plan_ids=[whole_plan[0]])
        (letter,) = filing_papers.letters(session, rows)
        made = _opened(filing_papers.filing_letter(session, letter))
        receipt = _opened(filing_papers.filing_receipt(session, letter))
    text = "\n".join(p.text.replace("\n", "") for p in made.paragraphs)
    assert letter.kind == "报告" and letter.body == "静海区人民政府"
    for piece in ("关于报送《台头镇防汛应急预案》备案的报告", "静海区人民政府：", "国办发〔2024〕5号", "20个工作日",
                  "静海区应急管理局（径送）", "台头镇人民政府"):  # fmt: skip
        assert piece in text, piece
    row = [cell.text for cell in made.tables[0].rows[1].cells]
    assert row[1:3] == ["台头镇防汛应急预案", "乡镇（街道）应急预案"] and "编制说明" in row[6]
    assert rows[0].filing.due_on is not None and row[5] == rows[0].filing.due_on.isoformat()
    assert "5个工作日" in "\n".join(p.text for p in receipt.paragraphs)


def test_several_plans_go_in_one_letter_for_each_addressee(
    district: Database, planner: Actor, make: Make, publish: Make, whole_plan: tuple[int, int, int]
) -> None:
    with district.write() as session:
        ids = [whole_plan[0]]
        for title in ("台头镇火灾应急预案", "台头镇火灾应急预案"):
            plan, row = make(session, title=title, division_code=TAITOU, kind=PlanKind.TOWNSHIP,
                             level=PlanLevel.TOWNSHIP, issuer="台头镇人民政府")  # fmt: skip
            publish(session, row)
            ids.append(plan.id)
        plan, row = make(session)
        publish(session, row)
    data = b"".join(bundle.zipped(bundle.filing_batch(district, actor=planner, plan_ids=[*ids, plan.id])))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert len({name.split("/")[0] for name in names}) == 2 and len(names) == len(set(names)) == 2 * 3 + 4 * 2
    assert any(name.endswith("1-备案函.docx") for name in names), "a lead department is no superior"
    with district.read() as session:
        entry = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "plan.exported")).one()
        assert '"count": 4' in entry.data and entry.actor == str(planner)


def test_the_evaluation_report_fills_in_what_the_system_knows(
    district: Database, planner: Actor, whole_plan: tuple[int, int, int]
) -> None:
    with district.write() as session:
        made = _opened(filing_papers.evaluation_report(session, actor=planner, plan_ids=[whole_plan[0]]))
    assert made.tables[0].rows[1].cells[1].text == "台头镇防汛应急预案"
    assert made.tables[0].rows[1].cells[2].text == "1"
    assert "2026年度应急预案评估报告" in made.paragraphs[0].text


def test_a_card_says_who_does_what_within_how_many_minutes_and_never_hides_an_act(
    district: Database, planner: Actor, whole_plan: tuple[int, int, int]
) -> None:
    with district.read() as session:
        made = cards.pack(session, actor=planner, version_id=whole_plan[1], paper="cards")
    first, *rest = made.cards
    assert first.title == "台头镇 防汛责任人" and first.duties[0].within == "30分钟内"
    assert [card.title for card in rest] == ["镇应急办"] * 2 and [(c.part, c.parts) for c in rest] == [(1, 2), (2, 2)]
    assert [duty.within for card in rest for duty in card.duties][:2] == ["立即", "1小时内"]
    assert sum(len(card.duties) for card in made.cards) == 8
    assert "镇长（决定响应）" in [call.title for call in first.calls]
    assert "台头镇 防汛责任人" in [call.title for call in rest[0].calls]
    assert all(call.person is None for card in made.cards for call in card.calls)


def test_numbers_come_only_with_a_purpose_in_scope_and_the_journal_knows(
    district: Database, planner: Actor, whole_plan: tuple[int, int, int]
) -> None:
    officer = person(Role.DUTY_OFFICER, Role.PLANNER, id=3)
    _plan, version_id, post = whole_plan
    with district.read() as session, pytest.raises(Invalid):
        cards.pack(session, actor=officer, version_id=version_id, revealed=True, purpose="")
    with district.read() as session, pytest.raises(Forbidden):
        cards.pack(session, actor=person(Role.AUDITOR, id=4), version_id=version_id, revealed=True, purpose="audit")
    with district.read() as session:
        made = cards.pack(session, actor=officer, version_id=version_id, revealed=True, purpose="evacuation")
    found = {call.post_id: call.person for call in made.calls}
    assert found[post] is not None and found[post].phone.replace(" ", "").endswith(PHONE[-4:])
    assert "周某一" in made.mark.watermark and "2026-11-23" in made.mark.watermark
    with district.read() as session:
        entry = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "personal.exported")).one()
        assert (entry.purpose, entry.actor) == ("evacuation", str(officer)) and '"count": 1' in entry.data


def test_pages_print_and_mark_the_exercise(
    district: Database, app: flask.Flask, whole_plan: tuple[int, int, int]
) -> None:
    client = signed_in(app, person(Role.PLANNER, Role.DUTY_OFFICER))
    plan_id, version_id, _post = whole_plan
    for paper in ("cards", "pack"):
        page = client.get(f"/plans/versions/{version_id}/{paper}?exercise=1")
        assert page.status_code == 200 and page.text.count("<h1") == 1 and "【演练】" in page.text
        assert PHONE not in page.text.replace(" ", "") and "组织转移" in page.text
        assert "【演练】" not in client.get(f"/plans/versions/{version_id}/{paper}").text
        shown = client.post(f"/plans/versions/{version_id}/{paper}", data={"purpose": "evacuation"})
        assert shown.status_code == 200 and PHONE[-4:] in shown.text and "用后销毁" in shown.text
        assert "no-store" in shown.headers["Cache-Control"]
        assert client.post(f"/plans/versions/{version_id}/{paper}").status_code == 422
        many = {"packs": "packs", "cards": "cards", "pack": "packs"}[paper]
        assert "组织转移" in client.get(f"/plans/papers/{many}?division={TAITOU}").text
        bulk = client.post(f"/plans/papers/{many}", data={"purpose": "evacuation", "division": TAITOU})
        assert bulk.status_code == 200 and PHONE[-4:] in bulk.text
    assert client.post("/plans/papers/cards", data={"division": TAITOU}).status_code == 422
    for path in (f"/plans/versions/{version_id}/word", f"/plans/{plan_id}/filing-letter",
                 f"/plans/papers/evaluation.docx?plan={plan_id}"):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code == 200 and answer.data[:2] == b"PK", path
        assert "filename*=UTF-8''%E" in answer.headers["Content-Disposition"]
    for path in ("/plans/papers/word.zip", f"/plans/papers/filing.zip?plan={plan_id}"):
        answer = client.get(path)
        with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
            assert archive.testzip() is None and archive.namelist()
    for language in ("zh", "en"):
        client.set_cookie("language", language)
        page = client.get("/plans/papers")
        assert page.status_code == 200 and "台头镇防汛应急预案" in page.text
        assert client.get(f"/plans/versions/{version_id}/pack").status_code == 200


def test_a_neighbour_takes_nothing(district: Database, app: flask.Flask, whole_plan: tuple[int, int, int]) -> None:
    client = signed_in(app, person(Role.PLANNER, Role.DUTY_OFFICER, division="120118102000"))
    plan_id, version_id, _post = whole_plan
    for path in (f"/plans/versions/{version_id}/word", f"/plans/versions/{version_id}/cards",
                 f"/plans/{plan_id}/filing-letter", f"/plans/papers/word.zip?plan={plan_id}",
                 f"/plans/papers/packs?plan={plan_id}", f"/api/v1/plans/versions/{version_id}/document",
                 f"/api/v1/plans/versions/{version_id}/cards", f"/api/v1/plans/{plan_id}/filing-papers",
                 f"/plans/papers/filing.zip?plan={plan_id}"):  # fmt: skip
        assert client.get(path).status_code == 404, path
    assert client.get(f"/plans/papers?division={TAITOU}").status_code == 403
    assert client.get(f"/plans/papers/word.zip?division={TAITOU}").status_code == 403
    answer = client.post(f"/plans/versions/{version_id}/pack", data={"purpose": "audit"})
    assert answer.status_code == 404 and PHONE[-4:] not in answer.text
    assert DISTRICT  # the district's own planner is the one of the other tests


def test_nothing_in_force_is_said(district: Database, planner: Actor) -> None:
    with district.read() as session, pytest.raises(NotFound):
        bundle.chosen(session, actor=planner)


def test_programmes_take_the_same_papers(
    district: Database, app: flask.Flask, whole_plan: tuple[int, int, int]
) -> None:
    client = signed_in(app, person(Role.PLANNER))
    plan_id, version_id, _post = whole_plan
    document = client.get(f"/api/v1/plans/versions/{version_id}/document?exercise=true")
    assert document.status_code == 200 and "【演练】" in _opened(document.data).sections[0].header.paragraphs[0].text
    found = client.get(f"/api/v1/plans/versions/{version_id}/cards?grade=II").json
    assert found["draft"] is False and found["items"][0]["title"] == "台头镇 防汛责任人"
    assert found["items"][0]["duties"][0] == {"action": "组织转移", "within": "30分钟内"}
    assert client.get(f"/api/v1/plans/versions/{version_id}/cards?grade=I").json["items"] == []
    papers = client.get(f"/api/v1/plans/{plan_id}/filing-papers")
    with zipfile.ZipFile(io.BytesIO(papers.data)) as archive:
        assert len(archive.namelist()) == 5


def test_a_plan_and_the_tree_lead_to_paper(
    district: Database, app: flask.Flask, whole_plan: tuple[int, int, int]
) -> None:
    client = signed_in(app, person(Role.PLANNER))
    plan_id, version_id, _post = whole_plan
    for path in (f"/plans/{plan_id}", f"/plans/versions/{version_id}"):
        page = client.get(path).text
        assert f"/plans/versions/{version_id}/word" in page and f"/plans/versions/{version_id}/pack" in page
    assert f"/plans/{plan_id}/filing-letter" in client.get(f"/plans/{plan_id}").text
    assert "/plans/papers" in client.get("/plans").text


def test_a_long_title_breaks_between_words() -> None:
    assert title_lines("台头镇防汛应急预案") == ["台头镇防汛应急预案"]
    assert title_lines("关于报送《民生村防汛转移方案》备案的报告") == ["关于报送《民生村防汛转移方案》", "备案的报告"]
    long = "关于报送《天津市静海区防汛抗旱应急预案》等12件应急预案备案的报告"
    assert "".join(title_lines(long)) == long and all(width_of(line) <= 19 for line in title_lines(long))


def test_what_word_says_is_read_back_as_the_same_sections(
    district: Database, planner: Actor, whole_plan: tuple[int, int, int]
) -> None:
    with district.read() as session:
        held = word.whole(session, actor=planner, version_id=whole_plan[1])
        data = word.plan_document(session, actor=planner, version_id=whole_plan[1])
    read = [section for section in build(read_docx(data)).sections if not section.is_title]
    written = held.text.sections
    assert [(s.depth, s.number, s.heading) for s in read[: len(written)]] == [
        (s.depth, s.number, s.heading) for s in written
    ]
    for got, wanted in zip(read, written, strict=False):
        words = _squeezed(bodies.to_text(wanted.body, held.posts).replace("\x07", ""))
        assert _squeezed(bodies.to_text(got.body, {})) == words, wanted.heading
