"""What the server answers: the pages, the exchange of the link for a cookie, the connection of a
terminal.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import json
import mimetypes
import time
from typing import TYPE_CHECKING, Final

from aiohttp import WSCloseCode, WSMsgType, web

from tui.serve.door import Admission, Door, is_loopback, is_own_page
from tui.serve.visits import REASONS, Ending, Full, Visit, Visits

if TYPE_CHECKING:
    from asyncio import BaseTransport
    from collections.abc import Callable

    from aiohttp.typedefs import Handler

COOKIE: Final = "flux-top"
LEFT: Final = 4010
"""Code of a page that was closed or left: nobody comes back to its dashboard."""
_BEAT: Final = 15.0
"""Seconds between two signs of life that are asked of a page."""
_LONGEST: Final = 1 << 18
"""Bytes of the longest message of a page: what is pasted at once."""
_OURS: Final = ("door.html", "room.html", "page.css", "door.js", "room.js")
_THEIRS: Final = (
    "js/textual.js",
    "css/xterm.css",
    "fonts/RobotoMono-VariableFont_wght.ttf",
    "fonts/RobotoMono-Italic-VariableFont_wght.ttf",
)
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
    "img-src 'self' data:; connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Nothing from elsewhere, no script in the page, in nobody's frame. The styles: xterm.js makes them
as it goes.
"""
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def load_assets() -> dict[str, bytes]:
    """Return all files that pages are made of, by name: ours, and the terminal of textual-serve.

    Raises ImportError if that is not installed.
    """
    ours = importlib.resources.files("tui.serve") / "page"
    theirs = importlib.resources.files("textual_serve") / "static"
    found = {name: (ours / name).read_bytes() for name in _OURS}
    return found | {name.rpartition("/")[2]: (theirs / name).read_bytes() for name in _THEIRS}


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse who speaks to another host than this one; add what browsers must know to each answer.

    A refusal says as little as can be.
    """
    if not is_loopback(request.host):
        return web.Response(status=403, text="not here\n")
    try:
        response = await handler(request)
    except web.HTTPException as refusal:
        response = web.Response(status=refusal.status, text=f"{refusal.reason}\n")
    if not response.prepared:
        response.headers.update(_HEADERS)
        response.headers["Content-Security-Policy"] = _POLICY.format(host=request.host)
    return response


class SocketLine:
    """The connection of a page (`tui.serve.visits.PageLine`)."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def send(self, data: bytes) -> None:
        """Send what is to be drawn."""
        await self._socket.send_bytes(data)

    async def close(self, ending: Ending) -> None:
        """End the connection for good."""
        await self._socket.close(code=ending, message=REASONS[ending].encode())


class Site:
    """The handlers. ``used`` is called when a link was used up, ``known`` with the connection of
    somebody who may come in.
    """

    def __init__(
        self,
        door: Door,
        visits: Visits,
        used: Callable[[], None],
        known: Callable[[BaseTransport | None], None],
    ) -> None:
        self._door = door
        self._visits = visits
        self._used = used
        self._known = known
        self._assets = load_assets()

    def application(self) -> web.Application:
        """Return what a server serves."""
        app = web.Application(middlewares=[guard], client_max_size=4096)
        app.add_routes(
            [
                web.get("/", self.door),
                web.post("/enter", self.enter),
                web.get("/assets/{name}", self.asset),
                web.get("/{room}/", self.room),
                web.get("/{room}/line", self.line),
            ]
        )
        return app

    async def door(self, request: web.Request) -> web.Response:
        """Answer the page that takes the token out of the link."""
        return self._file("door.html")

    async def asset(self, request: web.Request) -> web.Response:
        """Answer a file that the pages load."""
        name = request.match_info["name"]
        if name not in self._assets or name.endswith(".html"):
            raise web.HTTPNotFound
        return self._file(name)

    def _file(self, name: str) -> web.Response:
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        charset = "utf-8" if kind.startswith("text/") else None
        return web.Response(body=self._assets[name], content_type=kind, charset=charset)

    async def enter(self, request: web.Request) -> web.Response:
        """Exchange the token for a room, and its key as a cookie that no script reads and no other
        site's request bears.
        """
        if not is_own_page(request.headers.get("Origin", ""), request.host):
            raise web.HTTPForbidden
        token = (await request.read()).decode("ascii", "replace")
        entry = self._door.enter(token, time.monotonic())
        if not isinstance(entry, Admission):
            if entry.seconds:
                return web.Response(status=429, text="too many attempts\n")
            return web.Response(status=403, text="that link does not open the door\n")
        response = web.json_response({"room": f"/{entry.room}/"})
        response.set_cookie(
            COOKIE, entry.key, path=f"/{entry.room}/", httponly=True, samesite="Strict"
        )
        self._used()
        self._known(request.transport)
        return response

    async def room(self, request: web.Request) -> web.Response:
        """Answer the page with the terminal."""
        self._check(request)
        return self._file("room.html")

    def _check(self, request: web.Request) -> None:
        key = request.cookies.get(COOKIE, "")
        if not self._door.admits(request.match_info["room"], key):
            raise web.HTTPForbidden
        self._known(request.transport)

    async def line(self, request: web.Request) -> web.StreamResponse:
        """Connect a page with its dashboard, a new one or the one that it had."""
        self._check(request)
        if not is_own_page(request.headers.get("Origin", ""), request.host):
            raise web.HTTPForbidden
        socket = web.WebSocketResponse(heartbeat=_BEAT, max_msg_size=_LONGEST, compress=False)
        await socket.prepare(request)
        line = SocketLine(socket)
        visit, again = await self._visit(request, line)
        if visit is None:
            return socket
        sane = True
        try:
            await socket.send_str(json.dumps(["instance_id", visit.name]))
            await visit.attach(line, again=again)
            sane = await self._listen(socket, visit)
        except OSError:
            pass  # the page is gone while it was written to
        finally:
            visit.detach(line, time.monotonic())
        await socket.close()
        if not sane or socket.close_code in (LEFT, WSCloseCode.MESSAGE_TOO_BIG):
            await self._visits.end(visit)
        return socket

    async def _visit(self, request: web.Request, line: SocketLine) -> tuple[Visit | None, bool]:
        name = request.query.get("visit", "")
        if name:
            visit = self._visits.find(name)
            if visit is None:
                await line.close(Ending.OVER)
            return visit, True
        size = _number(request.query.get("width"), 80), _number(request.query.get("height"), 24)
        try:
            return await self._visits.begin(size), False
        except Full:
            await line.close(Ending.FULL)
        except OSError:
            await line.close(Ending.BROKEN)
        return None, False

    async def _listen(self, socket: web.WebSocketResponse, visit: Visit) -> bool:
        """Hand on what the page says, until it is gone. False if it said what no page of ours
        says.
        """
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                return False
            match _parsed(message.data):
                case ["stdin", str(text)]:
                    await visit.type(text, time.monotonic())
                case ["resize", {"width": int(columns), "height": int(rows)}]:
                    visit.resize(columns, rows)
                case ["ping", str(text)]:
                    await socket.send_str(json.dumps(["pong", text]))
                case ["focus"] | ["blur"]:
                    pass
                case _:
                    return False
        return True


def _parsed(text: str) -> object:
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(text)
    return None


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else otherwise
