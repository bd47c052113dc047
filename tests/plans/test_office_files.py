"""Files as offices really send them: nothing that a person sees in Word may be lost on the way into the plan.

What is read is compared with a second reading of the same XML that shares no code with the reader.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.plans.office import (
    DGM,
    NAMESPACES,
    A,
    C,
    asks,
    box,
    field,
    p,
    package,
    run,
    visible,
    vml_box,
)
from tests.plans.test_reading import codes, read, whole
from tests.plans.writing import bare

HEAD = p("静海区防汛应急预案") + p("总则", style="1") + p("为做好防汛工作，制定本预案。")


def kept(body: str, parts: dict[str, tuple[str, str]] | None = None, also: str = "") -> str:
    """The text as read, after checking that it has every visible character as often as the file."""
    result = read(package(HEAD + body, parts))
    found = whole(result)
    wanted = visible(f"<x {NAMESPACES}>{HEAD}{body}</x>") + also
    lost = Counter(bare(wanted)) - Counter(bare(found))
    assert not lost, f"lost: {''.join(lost.elements())}"
    return found


def test_headings_by_chinese_style_names_and_automatic_numbers_are_read() -> None:
    body = (
        p("组织体系", style="1") + p("领导机构", style="2") + p("区防汛抗旱指挥部统一指挥。")
        + p("办事机构", style="2") + p("附件说明", style="mine") + p("队伍集结", number=(1, 2)) + p("物资到位", number=(1, 2))
    )  # fmt: skip
    result = read(package(HEAD + body))
    depths = {section.heading: section.depth for section in result.sections}
    assert depths["组织体系"] == depths["总则"] == depths["附件说明"] == 1 and depths["领导机构"] == 2
    found = kept(body)
    assert "①" in found and "②" in found


def test_text_boxes_new_and_old_are_read_once_each() -> None:
    found = kept(p("流程见右图。", box("接报→研判→启动"), vml_box("撤离路线：村主路")))
    assert found.count("接报→研判→启动") == found.count("撤离路线：村主路") == 1


def test_a_box_that_only_the_fallback_carries_is_not_lost() -> None:
    fallback = (
        '<w:r><mc:AlternateContent><mc:Choice Requires="wpc"><w:drawing><wp:inline/></w:drawing></mc:Choice><mc:Fallback>'
        f"<w:pict><v:shape><v:textbox><w:txbxContent>{p('只在后备中的文字')}</w:txbxContent></v:textbox></v:shape></w:pict>"
        "</mc:Fallback></mc:AlternateContent></w:r>"
    )
    assert "只在后备中的文字" in kept(p("见图。", fallback))


def test_a_symbol_written_as_an_alternative_within_a_run_is_kept() -> None:
    body = (
        '<w:p><w:r><w:t>已核对</w:t></w:r><w:r><mc:AlternateContent><mc:Choice Requires="w16se">'
        '<w16se:symEx w16se:font="Segoe UI Emoji" w16se:char="2611"/></mc:Choice><mc:Fallback><w:t>☑</w:t></mc:Fallback>'
        "</mc:AlternateContent></w:r><w:r><w:t>到位</w:t></w:r></w:p>"
    )
    assert "已核对☑到位" in kept(body)


def test_the_words_of_a_diagram_are_read_and_it_is_said() -> None:
    points = "".join(
        f'<dgm:pt modelId="{n}"><dgm:t><a:bodyPr/><a:p><a:r><a:t>{words[:2]}</a:t></a:r><a:r><a:t>{words[2:]}</a:t></a:r></a:p>'
        "</dgm:t></dgm:pt>"
        for n, words in enumerate(("指挥部下设办公室", "抢险组", "转移安置组"))
    )
    data = f'<dgm:dataModel xmlns:dgm="{DGM}" xmlns:a="{A}"><dgm:ptLst>{points}</dgm:ptLst></dgm:dataModel>'
    smart = (
        '<w:r><w:drawing><wp:inline><a:graphic><a:graphicData><dgm:relIds r:dm="diagrams_data1.xml" r:lo="x" r:qs="x"/>'
        "</a:graphicData></a:graphic></wp:inline></w:drawing></w:r>"
    )
    parts = {"diagrams/data1.xml": ("diagramData", data)}
    found = kept(p("组织体系如下。", smart), parts, visible(data))
    assert "指挥部下设办公室\n" in found and "转移安置组" in found
    assert "diagram" in codes(read(package(HEAD + p("见图。", smart), parts)))


def test_word_art_and_the_words_of_a_drawn_shape_are_read() -> None:
    art = '<w:r><w:pict><v:shape type="#_x0000_t136"><v:textpath string="防汛重地 严禁入内"/></v:shape></w:pict></w:r>'
    drawn = (
        "<w:r><w:drawing><wp:inline><a:graphic><a:graphicData><a:txBody><a:p><a:r><a:t>画布内文字</a:t></a:r></a:p>"
        "</a:txBody></a:graphicData></a:graphic></wp:inline></w:drawing></w:r>"
    )
    found = kept(p("标牌：", art, drawn))
    assert "防汛重地 严禁入内" in found and "画布内文字" in found


def test_the_words_and_figures_of_a_chart_are_read() -> None:
    chart = (
        f'<c:chartSpace xmlns:c="{C}" xmlns:a="{A}"><c:chart><c:title><c:tx><c:rich><a:p><a:r><a:t>历年转移人数</a:t></a:r></a:p>'
        "</c:rich></c:tx></c:title><c:ser><c:tx><c:strRef><c:strCache><c:pt><c:v>转移</c:v></c:pt></c:strCache></c:strRef></c:tx>"
        "<c:cat><c:strCache><c:pt><c:v>2023年</c:v></c:pt></c:strCache></c:cat><c:val><c:numCache><c:pt><c:v>1200</c:v></c:pt>"
        "</c:numCache></c:val></c:ser></c:chart></c:chartSpace>"
    )
    drawn = (
        '<w:r><w:drawing><wp:inline><a:graphic><a:graphicData><c:chart r:id="charts_chart1.xml"/></a:graphicData></a:graphic>'
        "</wp:inline></w:drawing></w:r>"
    )
    found = kept(p("见图。", drawn), {"charts/chart1.xml": ("chart", chart)}, "历年转移人数转移2023年1200")
    assert "历年转移人数" in found and "1200" in found


def test_a_heading_in_the_paragraph_where_the_contents_end_is_kept() -> None:
    """WPS closes the field of the contents at the beginning of the next paragraph."""
    body = (
        p(field("begin"), asks('TOC \\o "1-3"'), field("separate"), "总则 1", style="11")
        + p("组织体系 3", style="11")
        + p(field("end"), "本预案自印发之日起施行。")
        + p("后文在此。")
    )
    found = whole(read(package(HEAD + body)))
    assert "本预案自印发之日起施行。" in found and "后文在此。" in found and "组织体系 3" not in found


def test_contents_whose_end_is_missing_swallow_nothing() -> None:
    body = (
        p(field("begin"), asks("TOC"), field("separate"), "总则 1", style="11")
        + p("处置", style="1") + p("启动响应后一小时内到岗。") + p("应急保障", style="1") + p("队伍五十人。")
    )  # fmt: skip
    found = whole(read(package(HEAD + body)))
    assert "启动响应后一小时内到岗。" in found and "队伍五十人。" in found and "应急保障" in found


def test_fields_links_forms_and_inserted_words_are_kept() -> None:
    drop = (
        '<w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:ddList><w:result w:val="1"/><w:listEntry w:val="蓝色"/>'
        '<w:listEntry w:val="橙色"/></w:ddList></w:ffData></w:fldChar></w:r>'
    )
    body = p(
        "详见", f'<w:hyperlink r:id="none">{run("市级预案")}</w:hyperlink>', "，第",
        f'<w:fldSimple w:instr="PAGE">{run("5")}</w:fldSimple>', "页；",
        f'<w:ins w:author="甲">{run("新增一句。")}</w:ins>', f'<w:moveTo w:author="甲">{run("移来一句。")}</w:moveTo>',
        '<w:del w:author="甲"><w:r><w:delText>旧句</w:delText></w:r></w:del>',
        f'<w:sdt><w:sdtContent>{run("控件内文字")}</w:sdtContent></w:sdt>', f"<w:smartTag>{run('静海区')}</w:smartTag>",
        "<m:oMath><m:r><m:t>Q=VA</m:t></m:r></m:oMath>", field("begin"), asks("REF x"), field("separate"), "第三章",
        field("end"), "，等级：", drop, asks("FORMDROPDOWN"), field("end"),
    )  # fmt: skip
    found = kept(body, None, "橙色")
    assert "旧句" not in found and "等级：橙色" in found


def test_merged_nested_and_tracked_cells_keep_their_words() -> None:
    inner = f"<w:tbl><w:tr><w:tc>{p('内表一')}</w:tc><w:tc>{p('内表二')}</w:tc></w:tr></w:tbl>"
    table = (
        "<w:tbl><w:tr><w:trPr><w:tblHeader/></w:trPr>"
        f'<w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr>{p("单位")}</w:tc><w:tc>{p("任务")}</w:tc></w:tr>'
        f'<w:tr><w:tc><w:tcPr><w:vMerge w:val="restart"/></w:tcPr>{p("水务局")}</w:tc><w:tc>{p("科室")}</w:tc>'
        f"<w:tc>{p('巡堤查险', box('格内框'))}{inner}{p()}</w:tc></w:tr>"
        f"<w:tr><w:tc><w:tcPr><w:vMerge/></w:tcPr>{p()}</w:tc><w:tc>{p('二科')}</w:tc><w:tc>{p('物资调运')}</w:tc></w:tr>"
        f"<w:smartTag><w:tr><w:tc>{p('标签行')}</w:tc><w:ins><w:tc>{p('插入格')}</w:tc></w:ins><w:tc>{p('尾')}</w:tc></w:tr></w:smartTag>"
        "</w:tbl>"
    )
    found = kept(table)
    assert "内表一" in found and "格内框" in found and "插入格" in found


def test_notes_are_read_and_headers_and_comments_are_said() -> None:
    notes = f'<w:footnotes {NAMESPACES}><w:footnote w:id="2">{p("汛限水位见市级规定。")}</w:footnote></w:footnotes>'
    ends = f'<w:endnotes {NAMESPACES}><w:endnote w:id="3">{p("数据截至二〇二六年。")}</w:endnote></w:endnotes>'
    header = f"<w:hdr {NAMESPACES}>{p('津静海政办发〔2022〕10号')}</w:hdr>"
    remarks = f'<w:comments {NAMESPACES}><w:comment w:id="1">{p("此处请核")}</w:comment></w:comments>'
    parts = {
        "footnotes.xml": ("footnotes", notes), "endnotes.xml": ("endnotes", ends), "header1.xml": ("header", header),
        "comments.xml": ("comments", remarks),
    }  # fmt: skip
    body = p("水位", '<w:r><w:footnoteReference w:id="2"/></w:r>', '<w:r><w:endnoteReference w:id="3"/></w:r>')
    kept(body, parts, "汛限水位见市级规定。数据截至二〇二六年。")
    result = read(package(HEAD + body, parts))
    said = {remark.code: remark.quote for remark in result.remarks}
    assert "10号" in said["header_left_out"] and "此处请核" in said["comment"]
    assert "10号" not in whole(result)


@pytest.mark.parametrize("strict", [False, True], ids=["transitional", "strict"])
def test_both_flavours_of_the_standard_are_read(strict: bool) -> None:
    result = read(package(HEAD + p("组织体系", style="1") + p("按职责分工。"), strict=strict))
    assert "按职责分工。" in whole(result) and [s.heading for s in result.sections][-1] == "组织体系"
