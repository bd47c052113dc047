"""A plan written by hand in Word, statutes, messy text and hostile files: what is read, and what is said."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import docx
import pytest
from docx.shared import Cm

from emergency.plans import bodies
from emergency.plans.importing import reading
from emergency.plans.importing.people import PLACEHOLDER
from emergency.plans.importing.reading import Reading
from emergency.plans.models import Part
from kernel.errors import DomainError
from tests.plans import writing
from tests.plans.writing import bare

LAWS = Path("/work/shared/data/laws")
LIMIT = 64 * 1024 * 1024


def read(data: bytes, name: str = "预案.docx", typed: str = "", limit: int = LIMIT) -> Reading:
    return reading.read(data, name, typed=typed, limit=limit)


def whole(result: Reading) -> str:
    """Everything that the sections say, with what was taken out put back."""
    people = {p.key: p for p in result.people}

    def back(found: object) -> str:
        what, key, index = found[1], int(found[2]), int(found[3] or 0)  # type: ignore[index]
        return {"i": lambda: "", "n": lambda: people[key].name, "p": lambda: people[key].phones[index]}[what]()

    text = "\n".join(
        s.number + s.heading + "\n" + bodies.to_text(s.body, {}, image=lambda _i: "") for s in result.sections
    )
    return PLACEHOLDER.sub(back, text)


def refused(data: bytes, name: str = "预案.docx", **more: object) -> str:
    with pytest.raises(DomainError) as caught:
        read(data, name, **more)  # type: ignore[arg-type]
    return caught.value.code


def codes(result: Reading) -> list[str]:
    return [remark.code for remark in result.remarks]


def by_hand() -> bytes:
    """A plan with everything that people put into Word."""
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "内部资料页眉"
    document.sections[0].footer.paragraphs[0].text = "第 1 页"
    document.add_paragraph("静海区防汛应急预案")
    document.add_paragraph("静海区人民政府 2022年5月")
    document.add_paragraph("目  录")
    document.add_paragraph("一、总则\t1")
    document.add_paragraph("二、组织指挥体系与职责\t3")
    document.add_paragraph("一、总则")
    document.add_paragraph("（一）编制目的。为做好防汛工作，依法编制本预案。")
    document.add_paragraph("（二）适用范围")
    document.add_paragraph("适用于本区行政区域内的洪涝灾害应对工作。")
    document.add_heading("组织指挥体系与职责", 1)
    document.add_heading("区防汛抗旱指挥部", 2)
    document.add_paragraph("指挥部由区领导任指挥长。")
    many = writing.numbering(document, ("chineseCounting", "%1、"), ("chineseCounting", "（%2）"), ("decimal", "%3."))
    writing.listed(document, "预防与预警机制", many, 0)
    writing.listed(document, "监测", many, 1)
    document.add_paragraph("气象、水务部门加强监测。")
    writing.listed(document, "预警发布", many, 1)
    document.add_paragraph("按规定发布预警。")
    writing.listed(document, "应急处置", many, 0)
    table = document.add_table(rows=4, cols=4)
    for cell, words in zip(table.rows[0].cells, ("单位", "姓名", "职务", "联系电话"), strict=True):
        cell.text = words
    for cell, words in zip(table.rows[1].cells, ("义和村", "张某一", "防汛责任人", "15400000001"), strict=True):
        cell.text = words
    for cell, words in zip(table.rows[2].cells, ("南坝台村", "李某二", "联络员", "154-0000-0002"), strict=True):
        cell.text = words
    table.cell(3, 0).merge(table.cell(3, 2)).text = "区防汛办值班室"
    table.cell(3, 3).text = "0000-0000"
    table.cell(3, 3).text = "022-00001234"
    document.add_paragraph("4.5米以上水位时，启动应急响应。")
    document.add_picture(io.BytesIO(writing.PNG), width=Cm(2))
    document.add_paragraph("图下文字。")
    writing.listed(document, "应急保障措施", many, 0)
    document.add_paragraph("物资按清单储备，经费13800000000元。")
    writing.listed(document, "后期处置与恢复重建", many, 0)
    document.add_paragraph("依据津静政办发〔2022〕13号和GB/T 38565-2020。")
    document.add_paragraph("附件1：")
    document.add_paragraph("1.1 通讯录")
    document.add_paragraph("带班领导王某三，电话１５４００００００３３。")
    data = writing.with_note(writing.saved(document), "按规定发布预警", "预警级别见国家规定。")
    return writing.with_box(data, "指挥部由区领导任指挥长。", "框中文字：先人后物。")


def test_a_plan_written_by_hand_keeps_every_character() -> None:
    data = by_hand()
    result = read(data)
    source = bare(writing.words_of(data))
    for once in ("目录一、总则1二、组织指挥体系与职责3", "框中文字：先人后物。"):
        assert once in source
        source = source.replace(once, "", 1)  # the contents are made anew; a text box stands twice in the file
    found = bare(whole(result))
    for added in ("〔注1〕预警级别见国家规定。", "〔注1〕", "一、", "（一）", "（二）", "二、", "三、", "四、"):
        assert added in found
    for shown in ("一、预防", "（一）监测", "（二）预警发布", "二、应急处置", "三、应急保障", "四、后期"):
        assert shown in found
        found = found.replace(shown, shown.split("、")[-1].split("）")[-1], 1)
    found = found.replace("〔注1〕预警级别见国家规定。", "", 1).replace("〔注1〕", "", 1)
    assert found == source
    assert len(result.pictures) == 1 and result.pictures[0].data == writing.PNG
    assert "内部资料页眉" not in whole(result)
    assert "toc_skipped" in codes(result)


def test_the_tree_of_a_plan_written_by_hand() -> None:
    found = {s.heading: s for s in read(by_hand()).sections}
    assert found["静海区防汛应急预案"].is_title
    assert (found["总则"].number, found["总则"].depth, found["总则"].part) == ("一、", 1, Part.GENERAL)
    assert (found["编制目的。"].number, found["编制目的。"].depth) == ("（一）", 2)
    assert found["编制目的。"].body == "为做好防汛工作，依法编制本预案。"
    assert found["组织指挥体系与职责"].part is Part.COMMAND
    assert found["区防汛抗旱指挥部"].depth == 2
    assert (found["预防与预警机制"].number, found["预防与预警机制"].depth) == ("一、", 1)
    assert (found["预警发布"].number, found["预警发布"].depth) == ("（二）", 2)
    assert "4.5米以上水位" in found["应急处置"].body
    assert {s.part for s in found.values()} >= set(Part) - {Part.ANNEX}


def test_numbers_and_names_leave_the_text_and_others_stay() -> None:
    result = read(by_hand())
    people = {p.name: p for p in result.people}
    assert people["张某一"].duty is not None and people["张某一"].duty.value == "flood_chief"
    assert people["李某二"].duty is not None and people["李某二"].duty.value == "liaison"
    assert "义和村" in people["张某一"].place_words
    assert people["王某三"].mobile and not people[""].mobile
    text = "".join(s.heading + s.body for s in result.sections)
    for gone in ("张某一", "李某二", "王某三", "15400000001", "154-0000-0002", "022-00001234", "１５４"):
        assert gone not in text
    for kept in ("13800000000元", "13号", "38565-2020", "4.5米"):
        assert kept in text


def test_merged_cells_come_back_merged() -> None:
    body = next(s.body for s in read(by_hand()).sections if "|" in s.body)
    table = next(b for b in bodies.parse(body) if isinstance(b, bodies.Table))
    assert [cell.across for cell in table.merged[3]] == [3, 1]
    assert 'colspan="3"' in bodies.to_html(body, {})


@pytest.mark.skipif(not LAWS.is_dir(), reason="the statutes are not here")
@pytest.mark.parametrize("path", sorted(LAWS.glob("*.md")) if LAWS.is_dir() else [], ids=lambda p: p.stem)
def test_statutes_lose_nothing(path: Path) -> None:
    import re

    data = path.read_bytes()
    source = re.sub(r"<!--.*?-->", "", data.decode())
    result = read(data, path.name)
    assert bare(whole(result)) == bare(re.sub(r"(?m)^#+", "", source))
    assert sum(s.heading.startswith("第") and s.heading.endswith("条") for s in result.sections) > 30
    assert not result.people


MESSY = """　　XX镇防汛应急预案（2021修订）
  各村（居）委会：
第一章　总　则
第一条 为了防汛，制定本预案。
第二条 本预案适用于本镇。
1、及时转移
2、逐户核对；
第二章 应急响应
第一节 Ⅰ级响应
1 启动条件
（1）台头站水位达到6.5米。
2 启动程序
由镇防汛指挥部批准启动Ⅰ级响应。
3 响应措施
（1）各村30分钟内完成叫应。
（2）区水务局开闸分洪。
第二节 转移安置
| 村 | 人数 | 安置点 |
| 义和村 | 120 | 台头镇中学 |
| 某某村 | 30 | 文化站 |
- 2 -
联系人：赵某四（15400000004，022-00005678转8001）、孙某五 154 0000 0005；办公室电话：00112233 日期20220501
2.5米以下地区优先。
附件
{{post:12}} [图 attachment:5] | 竖线
"""


def test_a_messy_text_loses_nothing_and_keeps_tokens_as_words() -> None:
    result = read(MESSY.encode("gb18030"), "方案.txt")
    expected = bare(MESSY.replace("- 2 -\n", "").replace("|", ""))
    assert bare(whole(result).replace("|", "")) == expected
    assert bodies.post_ids("\n".join(s.body for s in result.sections)) == set()
    assert {p.name for p in result.people} == {"赵某四", "孙某五"}
    assert "pages_skipped" in codes(result)
    assert "日期20220501" in "".join(s.body for s in result.sections)


def test_response_levels_and_evacuation_tables_are_offered() -> None:
    result = read(MESSY.encode(), "方案.txt")
    (level,) = result.levels
    assert level["grade"] == "I" and "6.5米" in level["trigger"]
    assert level["decided_by"] == "镇防汛指挥部"
    assert [a["within_minutes"] for a in level["actions"]] == [30, None]
    assert level["actions"][1]["actor_words"] == "区水务局"
    assert [(r["who"], r["people"], r["destination"]) for r in result.evacuation] == [
        ("义和村", 120, "台头镇中学"), ("某某村", 30, "文化站"),
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"])
def test_every_encoding_reads_the_same(encoding: str) -> None:
    result = read("一、总则\n为了防汛。\n".encode(encoding), "a.txt")
    assert [(s.number, s.heading, s.body) for s in result.sections] == [("一、", "总则", "为了防汛。")]


def test_a_text_without_headings_is_one_section_and_says_so() -> None:
    result = read("今天下雨。\n明天也下雨。".encode(), "a.txt")
    assert len(result.sections) == 1 and "no_headings" in codes(result)


def tracked() -> bytes:
    document = docx.Document()
    document.add_paragraph("一、总则")
    document.add_paragraph("标记处。")
    run = "<w:r><w:t>{}</w:t></w:r>"
    return writing.in_document(
        writing.saved(document), run.format("标记处。"),
        f'<w:ins w:id="1" w:author="a">{run.format("新增文字。")}</w:ins>'
        '<w:del w:id="2" w:author="a"><w:r><w:delText>删去文字15400000009。</w:delText></w:r></w:del>'
        f'<w:r><w:rPr><w:vanish/></w:rPr><w:t>隐藏</w:t></w:r>{run.format("标记处。")}',
    )  # fmt: skip


def test_insertions_are_taken_deletions_carried_out_and_both_are_said() -> None:
    result = read(tracked())
    assert result.sections[0].body == "新增文字。标记处。"
    assert {"insertions_taken", "deletion_taken", "hidden_text"} <= set(codes(result))
    assert all("154" not in remark.quote for remark in result.remarks)


def plain() -> bytes:
    document = docx.Document()
    document.add_paragraph("一、总则")
    document.add_picture(io.BytesIO(writing.PNG))
    return writing.saved(document)


def test_pictures_outside_the_file_are_not_fetched() -> None:
    def outside(name: str, content: bytes) -> bytes:
        if name == "word/_rels/document.xml.rels":
            return content.replace(
                b'Target="media/image1.png"', b'Target="http://127.0.0.1:1/x.png" TargetMode="External"'
            )
        return content

    result = read(writing.changed(plain(), outside))
    assert "external_image" in codes(result) and not result.pictures


def test_macros_are_refused() -> None:
    assert refused(writing.changed(plain(), lambda _n, c: c, {"word/vbaProject.bin": b"x"})) == "has_macros"

    def macro(name: str, content: bytes) -> bytes:
        return (
            content.replace(b"wordprocessingml.document.main", b"ms-word.document.macroEnabled.main")
            if name[0] == "["
            else content
        )

    assert refused(writing.changed(plain(), macro), "预案.docm") == "has_macros"


def test_a_password_is_said() -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le") + b"\0" * 100
    assert refused(ole) == "password_protected"


def test_bombs_are_not_unpacked() -> None:
    assert refused(writing.changed(plain(), lambda _n, c: c, {"word/media/a.png": b"\0" * 40_000_000})) == "zip_bomb"
    many = {f"word/media/{n}.png": b"" for n in range(5000)}
    assert refused(writing.changed(plain(), lambda _n, c: c, many)) == "zip_bomb"


def test_a_header_that_lies_about_the_size_is_found() -> None:
    stream = io.BytesIO(plain())
    data = bytearray(stream.getvalue())
    with zipfile.ZipFile(stream) as package:
        info = package.getinfo("word/document.xml")
    at = data.rfind(b"word/document.xml") - 46
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")
    assert info.file_size > 10
    assert refused(bytes(data)) == "file_broken"


@pytest.mark.parametrize(
    "dtd", ['<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', '<!DOCTYPE x [<!ENTITY a "b">]>', "<!DOCTYPE x>"]
)
def test_entities_are_refused(dtd: str) -> None:
    def declare(name: str, content: bytes) -> bytes:
        if name != "word/document.xml":
            return content
        head, body = content.decode().split("?>", 1)
        return (head + "?>" + dtd + body).encode()

    assert refused(writing.changed(plain(), declare)) == "external_entities"


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"", "a.docx", "file_empty"),
        (b"  \n ", "a.txt", "file_empty"),
        (plain()[:900], "a.docx", "file_broken"),
        (b"PK\x03\x04" + b"x" * 50, "a.docx", "file_broken"),
        ("文字".encode(), "a.docx", "file_broken"),
        (bytes(range(256)) * 20, "a.txt", "not_text"),
        (b"%PDF-1.4 x", "a.pdf", "outline_required"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old", "a.wps", "outline_required"),
    ],
)
def test_what_is_no_plan_is_refused_by_name(data: bytes, name: str, code: str) -> None:
    assert refused(data, name) == code


def test_a_file_beyond_the_limit_is_not_opened() -> None:
    assert refused(b"PK\x03\x04" + b"0" * 2000, limit=1000) == "file_too_large"


def test_a_wrong_name_is_said_and_the_file_is_read_as_what_it_is() -> None:
    result = read(plain(), "预案.txt")
    assert "wrong_extension" in codes(result) and result.sections[0].heading == "总则"


def test_an_old_format_takes_the_typed_outline() -> None:
    result = read(b"%PDF-1.7 ...", "预案.pdf", typed="一、总则\n电话：15400000007")
    assert result.kind == "old" and "old_format" in codes(result)
    assert result.people[0].phones == ["15400000007"]
