"""The gateway's phones as a page: Chinese first, plain HTML, numbers masked unless signed in with its secret."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from aiohttp import web

from kernel.clock import BEIJING
from notify.gateway.calls_page import TEXTS as CALL_TEXTS
from notify.gateway.calls_page import CallPages
from notify.gateway.store import Message
from notify.text import DRILL_MARK, TEST_MARK, segments

if TYPE_CHECKING:
    from notify.gateway.server import Gateway

COOKIE = "gateway_session"
PHONES_A_PAGE = 24
MESSAGES_A_PHONE = 50
_LINK = re.compile(r"https?://\S+|/c/[\w~.-]+")
_TEXTS = {
    "zh": {
        "title": "本机短信与电话网关", "local": "仅供演示与演练，短信和电话不会离开本机", "phones": "部手机", "messages": "条短信",
        "search": "号码后四位", "find": "查找", "all": "全部", "sign_in": "登录", "secret": "网关口令",
        "why": "登录后显示完整号码和链接", "wrong": "口令不对，请重新输入。", "sign_out": "退出",
        "none": "还没有手机收到短信。", "none_hint": "发布预警或演练后，收到的短信会显示在这里。",
        "drill": "演练", "test": "测试", "earlier": "上一页", "later": "下一页", "back": "返回全部手机",
        "reply": "以此手机回复", "send": "发送", "parts": "条（计费）", "hidden": "（登录后可见链接）", "total": "共",
        "queued": "已接收", "sent": "已发出", "delivered": "已送达", "undelivered": "未送达", "failed": "失败",
        "received": "手机回复", "from_phone": "由手机发出", "signed_only": "登录后可用此手机回复。",
    },
    "en": {
        "title": "Local SMS and call gateway", "local": "For demonstration and drills; nothing leaves this machine",
        "phones": "phones", "messages": "messages", "search": "Last four digits", "find": "Find", "all": "All",
        "sign_in": "Sign in", "secret": "Gateway secret", "why": "Signed in, full numbers and links are shown",
        "wrong": "That is not the secret. Try again.", "sign_out": "Sign out",
        "none": "No phone has received a message yet.",
        "none_hint": "Once a warning or a drill goes out, what arrives is shown here.",
        "drill": "Exercise", "test": "Test", "earlier": "Previous", "later": "Next", "back": "All phones",
        "reply": "Reply as this phone", "send": "Send", "parts": "parts", "hidden": "(link hidden)", "total": "",
        "queued": "Accepted", "sent": "Sent", "delivered": "Delivered", "undelivered": "Not delivered",
        "failed": "Failed", "received": "Reply", "from_phone": "Sent by the phone",
        "signed_only": "Sign in to reply as this phone.",
    },
}  # fmt: skip
_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


def mask(number: str) -> str:
    """A number with its middle hidden."""
    bare = number.removeprefix("+86")
    return f"{bare[:3]}****{bare[-4:]}" if len(bare) >= 9 else "****"


def add_routes(app: web.Application, gateway: Gateway) -> None:
    """Put the pages on the application."""
    pages = Pages(gateway)
    CallPages(pages).add_routes(app)
    app.router.add_get("/", pages.index)
    app.router.add_get("/phones/{token}", pages.phone)
    app.router.add_post("/phones/{token}/reply", pages.reply)
    app.router.add_post("/sign-in", pages.sign_in)
    app.router.add_post("/sign-out", pages.sign_out)


class Pages:
    """The handlers of the page."""

    def __init__(self, gateway: Gateway):
        self.gateway = gateway
        self._session = hmac.new(
            gateway.secret.encode(), gateway.store.run.encode() + b":page", hashlib.sha256
        ).hexdigest()
        self._tokens: dict[str, str] = {}

    def signed_in(self, request: web.Request) -> bool:
        """Whether this is somebody who gave the gateway's secret."""
        given = request.cookies.get(COOKIE, "")
        return bool(self.gateway.secret) and hmac.compare_digest(given.encode(), self._session.encode())

    def language(self, request: web.Request) -> str:
        """`zh` unless `en` was asked for."""
        return "en" if request.query.get("lang") == "en" else "zh"

    def render(self, request: web.Request, name: str, status: int = 200, **values: Any) -> web.Response:
        """A page in the visitor's language, with headers that let nothing else in."""
        language = self.language(request)
        html = _templates.get_template(name).render(
            t=_TEXTS[language], lang=language, signed_in=self.signed_in(request), path=request.path, **values
        )
        headers = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
            "frame-ancestors 'none'; base-uri 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        return web.Response(text=html, status=status, content_type="text/html", headers=headers)

    def _show(self, message: Message, signed_in: bool, language: str) -> dict[str, Any]:
        body = message.body if signed_in else _LINK.sub(_TEXTS[language]["hidden"], message.body)
        kind = "drill" if DRILL_MARK in message.body else "test" if TEST_MARK in message.body else ""
        return {
            "body": body,
            "kind": kind,
            "at": datetime.fromtimestamp(message.at, BEIJING).strftime("%m-%d %H:%M:%S"),
            "status": message.status,
            "inbound": message.inbound,
            "parts": segments(message.body).parts,
            "code": message.error_code,
        }

    def _card(self, number: str, signed_in: bool, language: str) -> dict[str, Any]:
        store = self.gateway.store
        seqs = store.phones[number]
        token = store.token(number)
        self._tokens[token] = number
        return {
            "number": number if signed_in else mask(number),
            "token": token,
            "count": len(seqs),
            "last": self._show(store.messages[seqs[-1]], signed_in, language),
        }

    async def index(self, request: web.Request) -> web.Response:
        """All phones, whoever got the latest message first."""
        if request.query.get("secret"):
            return self._signed(request, request.query["secret"])
        store, signed_in, language = self.gateway.store, self.signed_in(request), self.language(request)
        ending = "".join(c for c in request.query.get("q", "") if c.isdigit())[-4:]
        page = int(request.query.get("page", "1")) if request.query.get("page", "1").isdigit() else 1
        skip, more = (max(1, page) - 1) * PHONES_A_PAGE, False
        numbers: list[str] = []
        seen: set[str] = set()
        for message in reversed(store.messages):
            number = message.phone
            if number in seen or (ending and not number.endswith(ending)):
                continue
            seen.add(number)
            if skip:
                skip -= 1
                continue
            if len(numbers) == PHONES_A_PAGE:
                more = True
                break
            numbers.append(number)
        return self.render(
            request,
            "phones.html",
            cards=[self._card(number, signed_in, language) for number in numbers],
            phones=len(store.phones),
            messages=len(store.messages),
            calls=len(self.gateway.calls.store.calls),
            calls_of=CALL_TEXTS[language]["calls_of"],
            q=ending,
            page=max(1, page),
            more=more,
            wrong="wrong" in request.query,
        )

    def _number(self, token: str) -> str | None:
        number = self._tokens.get(token)
        if number is None:
            number = next((n for n in self.gateway.store.phones if self.gateway.store.token(n) == token), None)
        return number

    async def phone(self, request: web.Request) -> web.Response:
        """One phone's messages, the newest last."""
        number = self._number(request.match_info["token"])
        if number is None:
            raise web.HTTPFound("/")
        store, signed_in, language = self.gateway.store, self.signed_in(request), self.language(request)
        seqs = store.phones[number][-MESSAGES_A_PHONE:]
        shown = [self._show(store.messages[seq], signed_in, language) for seq in seqs]
        return self.render(request, "phone.html", card=self._card(number, signed_in, language), thread=shown)

    async def reply(self, request: web.Request) -> web.Response:
        """The phone writes back; only for who is signed in."""
        number = self._number(request.match_info["token"])
        if number is None or not self.signed_in(request):
            raise web.HTTPSeeOther("/")
        form = await request.post()
        body = str(form.get("body", "")).strip()
        if body:
            await self.gateway.phone_writes(number, body)
        raise web.HTTPSeeOther(f"/phones/{request.match_info['token']}?lang={self.language(request)}")

    async def sign_in(self, request: web.Request) -> web.Response:
        """Sign in with the gateway's secret."""
        form = await request.post()
        return self._signed(request, str(form.get("secret", "")))

    def _signed(self, request: web.Request, secret: str) -> web.Response:
        language = self.language(request)
        right = bool(self.gateway.secret) and hmac.compare_digest(secret.encode(), self.gateway.secret.encode())
        answer = web.Response(status=303, headers={"Location": f"/?lang={language}" + ("" if right else "&wrong=1")})
        if right:
            answer.set_cookie(COOKIE, self._session, httponly=True, samesite="Strict", max_age=12 * 3600)
        return answer

    async def sign_out(self, request: web.Request) -> web.Response:
        """Forget who was signed in."""
        answer = web.Response(status=303, headers={"Location": f"/?lang={self.language(request)}"})
        answer.del_cookie(COOKIE)
        return answer
