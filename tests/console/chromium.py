"""A headless Chromium, driven by its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import re
import shutil
import tempfile
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.system.watching import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

PROGRAM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
MISSING = "no chromium or chromium-headless-shell is installed"
_KEYS = {"enter": ("Enter", 13, "\r"), "escape": ("Escape", 27, ""), "tab": ("Tab", 9, "")}


class Page:
    """A tab: what it has received by WebSockets so far, and what can be done in it."""

    def __init__(self, browser: Browser, session: str, context: str) -> None:
        self._browser = browser
        self.session = session
        self.context = context
        self._loaded = False
        self.received = b""
        """What WebSockets brought: all that a terminal was sent."""
        self.requests: list[str] = []
        """Addresses of everything that was asked for."""
        self.refused: list[str] = []
        """What the policy of the page has blocked, and other complaints of the browser."""

    async def call(self, method: str, **parameters: Any) -> Any:
        return await self._browser.call(method, self.session, **parameters)

    def heard(self, method: str, what: dict[str, Any]) -> None:
        if method == "Network.webSocketFrameReceived":
            frame = what["response"]
            if frame["opcode"] == 2:
                self.received += base64.b64decode(frame["payloadData"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(what["request"]["url"])
        elif method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Log.entryAdded":
            self.refused.append(what["entry"]["text"])

    async def go(self, url: str) -> None:
        self._loaded = False
        await self.call("Page.navigate", url=url)
        await until(lambda: self._loaded)

    async def until(self, text: str, since: int = 0) -> None:
        """Wait until the terminal was sent ``text``."""
        await until(lambda: text.encode() in self.received[since:])

    async def evaluate(self, expression: str) -> Any:
        answer = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until_told(self, text: str) -> None:
        """Wait until the page itself says ``text`` (in what is not the terminal)."""
        expression = "document.getElementById('told')?.textContent ?? ''"
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while text not in (told := str(await self.evaluate(expression))):
            assert asyncio.get_running_loop().time() < deadline, told
            await asyncio.sleep(0.05)

    async def press(self, *keys: str) -> None:
        for key in keys:
            name, code, text = _KEYS.get(key, (key, ord(key[0].upper()), key))
            down: dict[str, Any] = {"key": name, "windowsVirtualKeyCode": code}
            if text:
                down["text"] = text
            await self.call("Input.dispatchKeyEvent", type="keyDown", **down)
            await self.call("Input.dispatchKeyEvent", type="keyUp", key=name)

    async def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", **size)

    async def picture(self) -> bytes:
        answer = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(answer["data"])

    async def close(self) -> None:
        await self.call("Page.close")


class Browser:
    """A running Chromium."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._pages: dict[str, Page] = {}

    async def listen(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                waiting = self._waiting.pop(told["id"])
                if "error" in told:
                    waiting.set_exception(OSError(told["error"]["message"]))
                elif not waiting.done():
                    waiting.set_result(told["result"])
            elif told.get("sessionId") in self._pages:
                self._pages[told["sessionId"]].heard(told["method"], told["params"])

    async def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        request: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session:
            request["sessionId"] = session
        await self._socket.send_json(request)
        return await asyncio.wait_for(answer, PATIENCE)

    async def new_page(self, *, context: str = "", size: tuple[int, int] = (1000, 600)) -> Page:
        """Open a tab, in a profile of its own (another visitor) or in that of another tab."""
        if not context:
            made = await self.call("Target.createBrowserContext")
            context = made["browserContextId"]
        target = await self.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        page = Page(self, attached["sessionId"], context)
        self._pages[page.session] = page
        for domain in ("Page", "Network", "Runtime", "Log"):
            await page.call(f"{domain}.enable")
        await page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        await page.resize(*size)
        return page


async def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until ``condition`` holds; fails after ``seconds``."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it never came to that"
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run a browser for a block."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as place:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        options += ["--remote-debugging-port=0", f"--user-data-dir={place}", "--no-first-run"]
        process = await asyncio.create_subprocess_exec(
            PROGRAM, *options, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )
        draining: asyncio.Task[bytes] | None = None
        try:
            assert process.stderr is not None
            address = None
            while address is None:
                line = await asyncio.wait_for(process.stderr.readline(), PATIENCE)
                assert line, "chromium did not start"
                address = re.search(rb"listening on (ws://\S+)", line)
            draining = asyncio.create_task(process.stderr.read())
            async with (
                aiohttp.ClientSession() as client,
                client.ws_connect(address[1].decode(), max_msg_size=0) as socket,
            ):
                browser = Browser(socket)
                listening = asyncio.create_task(browser.listen())
                try:
                    yield browser
                finally:
                    with contextlib.suppress(OSError, TimeoutError):
                        await browser.call("Browser.close")
                    listening.cancel()
                    await asyncio.gather(listening, return_exceptions=True)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if draining is not None:
                await draining
