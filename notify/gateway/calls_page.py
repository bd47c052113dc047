"""The gateway's calls as a page: what each phone heard and pressed, and keys to press while it listens."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kernel.clock import BEIJING
from notify.gateway.callstore import Call
from notify.gateway.handset import HANG_UP, script

if TYPE_CHECKING:
    from notify.gateway.page import Pages

CALLS_A_PAGE = 24
KEYS = "123456789"
REFRESH_SECONDS = 2
_DRILL, _TEST = "演练", "测试"
TEXTS = {
    "zh": {
        "calls": "通话", "calls_of": "通电话", "no_calls": "还没有电话打出。", "to_phones": "短信",
        "no_calls_hint": "选择语音电话发布预警，或用“emergency notify test --channel voice”试拨后，通话会显示在这里。",
        "queued": "排队中", "initiated": "拨号中", "ringing": "振铃中", "in-progress": "通话中", "completed": "已结束",
        "busy": "占线", "no-answer": "无人接听", "canceled": "已取消", "failed": "呼叫失败",
        "human": "真人接听", "machine_start": "语音信箱", "pressed": "按键", "seconds": "秒", "press": "在此手机上按键",
        "hang_up": "挂断", "said": "全文已播报", "cut": "未播完", "key_name": "按",
        "sign_in_to_press": "登录后可在此手机上按键。",
        "endings": "尾号约定：90 听到后按 1，91 占线，92、97、99 无人接听，93 语音信箱，94 提前挂断，98 空号；其余听完全文。",
    },
    "en": {
        "calls": "Calls", "calls_of": "calls", "no_calls": "No call has been made yet.", "to_phones": "Text messages",
        "no_calls_hint": "Issue a warning by voice call, or try “emergency notify test --channel voice”.",
        "queued": "Waiting", "initiated": "Dialling", "ringing": "Ringing", "in-progress": "On the line",
        "completed": "Ended", "busy": "Busy", "no-answer": "No answer", "canceled": "Cancelled", "failed": "Failed",
        "human": "A person", "machine_start": "Voicemail", "pressed": "Pressed", "seconds": "s",
        "press": "Press on this phone", "hang_up": "Hang up", "said": "Said to the end", "cut": "Not to the end",
        "key_name": "Press", "sign_in_to_press": "Sign in to press keys on this phone.",
        "endings": "By last digits: 90 presses 1, 91 busy, 92, 97 and 99 no answer, 93 voicemail, 94 hangs up early, "
        "98 does not exist; every other listens to the end.",
    },
}  # fmt: skip


class CallPages:
    """The handlers."""

    def __init__(self, pages: Pages):
        self.pages = pages
        self.gateway = pages.gateway

    def add_routes(self, app: web.Application) -> None:
        """Put the pages on the application."""
        app.router.add_get("/calls", self.index)
        app.router.add_post("/calls/{sid}/press", self.press)

    async def index(self, request: web.Request) -> web.Response:
        """Calls, the newest first; the page looks again by itself while one is under way."""
        store, signed_in = self.gateway.calls.store, self.pages.signed_in(request)
        ending = "".join(c for c in request.query.get("q", "") if c.isdigit())[-4:]
        page = int(request.query.get("page", "1")) if request.query.get("page", "1").isdigit() else 1
        page = max(1, page)
        wanted = (call for call in store.newest() if not ending or call.to.endswith(ending))
        shown: list[Call] = []
        more = False
        for place, call in enumerate(wanted):
            if place >= page * CALLS_A_PAGE:
                more = True
                break
            if place >= (page - 1) * CALLS_A_PAGE:
                shown.append(call)
        return self.pages.render(
            request,
            "calls.html",
            calls=[self._show(call, signed_in) for call in shown],
            total=len(store.calls),
            q=ending,
            page=page,
            more=more,
            keys=KEYS,
            hang_up=HANG_UP,
            refresh=REFRESH_SECONDS if any(call.live for call in shown) else 0,
            c=TEXTS[self.pages.language(request)],
        )

    def _show(self, call: Call, signed_in: bool) -> dict[str, Any]:
        from notify.gateway.page import mask

        words = script(call)
        return {
            "sid": self.gateway.calls.store.sid(call),
            "number": call.to if signed_in else mask(call.to),
            "words": words,
            "kind": "drill" if words.startswith(_DRILL) else "test" if words.startswith(_TEST) else "",
            "status": call.status,
            "answered_by": call.answered_by,
            "at": datetime.fromtimestamp(call.at, BEIJING).strftime("%m-%d %H:%M:%S"),
            "pressed": call.keys,
            "seconds": call.seconds,
            "said": bool(call.heard),
            "answered": call.started is not None,
            "live": call.live,
            "listening": call.listening,
            "code": call.code,
        }

    async def press(self, request: web.Request) -> web.Response:
        """A key on this phone, or hanging up; only for who is signed in."""
        call = self.gateway.calls.store.by_sid(request.match_info["sid"])
        if call is not None and self.pages.signed_in(request):
            form = await request.post()
            self.gateway.calls.press(call.to, str(form.get("key", "")))
        raise web.HTTPSeeOther(f"/calls?lang={self.pages.language(request)}")
