"""Every page in a real browser: it answers, everybody can use it, both languages, office and phone.

The pages come from the product's own routes, so that a new page is looked at without anybody remembering to.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]

HERE = Path(__file__).parent
AXE = (HERE / "vendor" / "axe.min.js").read_text("utf-8")
SCREENSHOTS = HERE.parents[1] / "docs" / "screenshots"
AXE_OPTIONS = json.dumps(
    {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"], "elementRef": False}
)
DOWNLOADS = re.compile(r"(export|download|\.csv|\.docx|\.zip|\.xlsx|\.svg|\.json|\.xml|\.ics)")
ALLOWED = {"meta-refresh": re.compile(r"/board$")}
"""A wall has nobody at the keyboard: that it renews itself is its purpose (WCAG 2.2.1, real-time exception)."""
LEFT_OVER = re.compile(r"%\(\w+\)s|\{\{|\{%|\bNone\b|\bUndefined\b|\b[A-Z]\w+\.[A-Z_]{3,}\b")
UNTRANSLATED = re.compile(r"[A-Za-z]{2,}(?: [a-z]{2,}){2,}")
"""Three English words in a row: a sentence that nobody put into Chinese."""
COMMAND = re.compile(r"\bemergency [a-z][a-z -]*")
"""A command to type stands as it is in both languages."""
RAW = re.compile(r"(?<![\w./:@-])[a-z]{2,}(?:_[a-z]+)+(?![\w./:-])")
"""A stored value such as `in_force` where its word belongs."""
MAY_BE_RAW = re.compile(r"/(oversight|system|imports?$|residents/imports|account/tokens|readiness/\d)|/import$")
"""Pages for people who work with column names, settings and stored entries."""

MAIN = {
    "workbench": "/",
    "warnings": "/warnings",
    "drills": "/drills",
    "plans": "/plans",
    "supplies": "/supplies",
    "posts": "/posts",
    "map": "/map",
    "system": "/system",
    "delivery": "/system/delivery",
    "by-hand": "/system/delivery/by-hand",
    "readiness": "/readiness",
    "accounts": "/accounts",
    "not-found": "/no-such-page",
    "residents": "/residents",
    "questions": "/questions",
    "roster": "/roster",
    "journal": "/oversight",
    "drill-calendar": "/drills/calendar",
    "supplies-receive": "/supplies/receive",
    "search": "/search?q=台头",
}


WHOSE = {"warning-approve": "approver", "journal": "audit", "accounts": "", "system": "", "workbench": "duty"}
"""Whose page it is, by the account of the demo district; the duty officer's where nothing is said."""


IN_ENGLISH = {"workbench", "warnings", "warning", "warning-approve", "warning-preview", "board", "drills", "plans",
              "plan", "supplies", "posts", "map", "readiness", "system", "delivery"}  # fmt: skip
"""The pages of which a picture in English is kept; of the others the Chinese ones do."""


def pictured(name: str) -> bool:
    """Whether a picture of this name is asked for: `EMERGENCY_SCREENSHOTS=1` for all, `=plan,drill` for these kinds."""
    asked = os.environ.get("EMERGENCY_SCREENSHOTS", "")
    return asked == "1" or name.startswith(tuple(word for word in asked.split(",") if word))


def main_pages(pages: list[str], product: Any) -> dict[str, str]:
    """The pages of which a picture is kept, by the picture's name."""
    found = {name: path for name, path in MAIN.items() if path in pages or path == "/no-such-page"}
    patterns = {
        "plan": r"/plans/\d+",
        "plan-edit": r"/plans/versions/\d+/edit",
        "lot": r"/supplies/lots/\d+",
        "post": r"/posts/\d+",
    }
    for name, pattern in patterns.items():
        first = next((path for path in pages if re.fullmatch(pattern, path)), None)
        if first is not None:
            found[name] = first
    steps = [path for path in product.links.more if path in pages and path.endswith(("/content", "/area", "/preview"))]
    for path in steps:
        name = f"warning-{path.rpartition('/')[2]}"
        found[f"{name}-exercise" if name in found else name] = path
    found["warning-approve"] = next(path for path in product.links.more if path.endswith("/approve"))
    own = [path for path in product.links.more if path in pages]
    for name, ending in (("warning", r"/warnings/\d+"), ("board", r"/warnings/\d+/board")):
        matching = [path for path in own if re.fullmatch(ending, path)]
        if matching:
            found[name] = matching[0]
            found[f"{name}-exercise"] = matching[1]
    return found


def complaints(tab: Any, path: str, *, phone: bool, chinese: bool, axe: bool = True) -> list[str]:
    """What is wrong with one page."""
    said: list[str] = []

    def hear(message: Any) -> None:
        if message.type == "error":
            said.append(f"console: {message.text[:200]}")

    tab.on("console", hear)
    tab.on("pageerror", lambda error: said.append(f"script: {str(error)[:200]}"))
    from playwright.sync_api import Error

    try:
        answer = tab.goto(path, wait_until="load")
    except Error as error:
        if "Download is starting" not in str(error):
            raise
        return said  # a file to keep, whatever its address is called
    finally:
        tab.remove_listener("console", hear)
    if answer is None or answer.status >= 400:
        return [*said, f"answered {answer.status if answer else 'nothing'}"]
    if "text/html" not in answer.headers.get("content-type", ""):
        return said
    headings = tab.locator("h1").count()
    if headings != 1:
        said.append(f"{headings} h1")
    text = tab.inner_text("body")
    left = LEFT_OVER.search(text)
    if left:
        said.append(f"unfinished text: {text[max(0, left.start() - 40) : left.end() + 20]!r}")
    if chinese:
        said += [f"{what}: {found.group()!r}" for what, found in foreign(tab, path, text)]
    if chinese and not re.search(r"[一-鿿]", tab.locator("h1").first.inner_text()):
        said.append(f"the heading is not Chinese: {tab.locator('h1').first.inner_text()!r}")
    if phone:
        width = tab.evaluate("document.documentElement.scrollWidth")
        if width > 360:
            said.append(f"scrolls sideways: {width} px")
    elif tab.evaluate("[...document.querySelectorAll('.two')].some(box => box.scrollWidth > box.clientWidth + 1)"):
        said.append("people of a place stand outside their list")
    if not axe:
        return said
    tab.evaluate(AXE)
    result = tab.evaluate(f"axe.run(document, {AXE_OPTIONS})")
    for violation in result["violations"]:
        allowed = ALLOWED.get(violation["id"])
        if violation["impact"] in ("serious", "critical") and not (allowed and allowed.search(path)):
            where = "; ".join(str(node["target"]) for node in violation["nodes"][:3])
            said.append(f"{violation['impact']} {violation['id']} ({len(violation['nodes'])}): {where}")
    return said


def foreign(tab: Any, path: str, text: str) -> Iterator[tuple[str, Any]]:
    """What a reader of Chinese stumbles over: an English sentence, a stored value."""
    for code in tab.locator("code, kbd, [lang=en]").all_inner_texts():
        text = text.replace(code, "")
    text = COMMAND.sub("", text)
    checks = [("not Chinese", UNTRANSLATED)] + ([] if MAY_BE_RAW.search(path) else [("stored value", RAW)])
    for what, pattern in checks:
        found = pattern.search(text)
        if found:
            yield what, found


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_can_be_used_by_everybody(visit: Any, pages: list[str], language: str, width: int) -> None:
    tab = visit(language, width)
    found = {}
    for path in pages:
        if DOWNLOADS.search(path):
            continue
        # The same elements in another language and width: axe looks at each page in two of the four.
        axe = (language == "zh") == (width == 360)
        said = complaints(tab, path, phone=width == 360, chinese=language == "zh", axe=axe)
        if "answered 403" in said:
            tab.close()
            tab = visit(language, width, who="planner")
            said = complaints(tab, path, phone=width == 360, chinese=language == "zh", axe=axe)
            tab.close()
            tab = visit(language, width)
        if said:
            found[path] = said
            tab.close()
            tab = visit(language, width)
    report = "\n".join(f"{path}\n    " + "\n    ".join(said) for path, said in found.items())
    assert not found, f"{len(found)} of {len(pages)} pages:\n{report}"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_door_can_be_used_by_everybody(visit: Any, language: str) -> None:
    tab = visit(language, 360, signed_in=False)
    assert complaints(tab, "/sign-in", phone=True, chinese=language == "zh") == []


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("which", ["enter", "liaison"])
def test_pages_behind_a_link_can_be_used_by_everybody(visit: Any, product: Any, which: str, language: str) -> None:
    link = getattr(product.links, which)
    assert link, "no link was made"
    tab = visit(language, 360, signed_in=False)
    path = "/" + link.split("/", 3)[3]
    assert complaints(tab, path, phone=True, chinese=language == "zh") == []


def test_the_error_page_stands_in_a_browser(visit: Any) -> None:
    tab = visit("zh", 360)
    assert tab.goto("/no-such-page").status == 404
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    assert "怎么办" in tab.inner_text("main")


def test_pages_work_without_a_script(visit: Any) -> None:
    tab = visit("zh", 360, java_script_enabled=False)
    tab.goto("/")
    tab.click(".bar4 a[href='/more']")
    assert "全部栏目" in tab.inner_text("h1")
    tab.click("main form[action='/language'] button")
    assert "Everything in one list" in tab.inner_text("h1")


def test_the_clock_ticks(visit: Any) -> None:
    tab = visit("zh")
    tab.goto("/")
    first = tab.inner_text("[data-clock]")
    assert re.fullmatch(r"\d\d:\d\d:\d\d", first)
    tab.wait_for_function(
        "text => document.querySelector('[data-clock]').textContent !== text", arg=first, timeout=3000
    )


def test_the_keyboard_reaches_the_content_first(visit: Any) -> None:
    tab = visit("zh")
    tab.goto("/")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "main"


def test_the_account_menu_closes_on_escape(visit: Any) -> None:
    tab = visit("zh")
    tab.goto("/")
    tab.click("details.acct summary")
    assert tab.is_visible("details.acct .menu")
    tab.keyboard.press("Escape")
    assert not tab.is_visible("details.acct .menu")


def test_the_map_draws_its_points(visit: Any) -> None:
    tab = visit("zh")
    tab.goto("/map")
    tab.wait_for_selector(".leaflet-container path", state="attached")
    assert tab.locator(".leaflet-container path").count() > 20


@pytest.mark.skipif(not os.environ.get("EMERGENCY_SCREENSHOTS"), reason="EMERGENCY_SCREENSHOTS is not set")
def test_screenshots_of_the_main_pages(visit: Any, pages: list[str], product: Any) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for suffix, language, width, height in (("", "zh", 1280, 900), ("-en", "en", 1280, 900), ("-360", "zh", 360, 780)):
        tabs = {who: visit(language, width, height, who=who) for who in {"", "approver", *WHOSE.values()}}
        for name, path in main_pages(pages, product).items():
            if not pictured(name) or (language == "en" and name not in IN_ENGLISH):
                continue
            tab = tabs[WHOSE.get(name, "duty")]
            if tab.goto(path).status == 403:
                tab = tabs[""]
                tab.goto(path)
            tab.wait_for_timeout(200)
            tab.screenshot(path=SCREENSHOTS / f"{name}{suffix}.png")
    if not pictured("sign-in") and not pictured("liaison"):
        return
    tab = visit("zh", 360, 780, signed_in=False)
    tab.goto("/" + product.links.liaison.split("/", 3)[3])
    tab.screenshot(path=SCREENSHOTS / "liaison-360.png")
    tab = visit("zh", 1280, 900, signed_in=False)
    tab.goto("/sign-in")
    tab.screenshot(path=SCREENSHOTS / "sign-in.png")
