"""``flux top --serve`` end to end: who gets in, and what a browser shows and does."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import aiohttp
import psutil
import pytest

from flux import Flux
from flux.job import JobspecV1, submit
from flux.testing.instance import Instance, running_instance
from tests.console.chromium import MISSING, PROGRAM, chromium, until
from tests.console.serving import Served, network, serving, terminal_size
from tests.system.watching import PATIENCE, still_there, until_equal
from tui.serve.strangers import STRANGERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.console.chromium import Page

browsing = pytest.mark.skipif(PROGRAM is None, reason=MISSING)


@pytest.fixture
def steady_world() -> None:
    """A real instance has the real time."""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


def run_job(instance: Instance, name: str) -> str:
    """Submit a job that runs on; returns its id."""
    handle = Flux(instance.uri)
    jobspec = JobspecV1.from_command(["sleep", "inf"])
    jobspec.cwd, jobspec.environment = "/", {"PATH": os.environ["PATH"]}
    jobspec.setattr("system.job.name", name)
    try:
        return submit(handle, jobspec).f58
    finally:
        handle.close()


def state(instance: Instance, jobid: str) -> str:
    return instance.run("jobs", "-no", "{status}", jobid).stdout.strip()


def dashboards(served: Served) -> list[psutil.Process]:
    return psutil.Process(served.process.pid).children()


async def opened(page: Page, link: str) -> None:
    """Open a link, and wait for the table of jobs."""
    await page.go(link)
    await page.until("JOBID")


# Who gets in


async def enter(client: aiohttp.ClientSession, served: Served, token: str, **headers: str) -> int:
    headers = {"Origin": served.address} | headers
    async with client.post(f"{served.address}/enter", data=token, headers=headers) as answer:
        return answer.status


async def room(client: aiohttp.ClientSession, served: Served) -> tuple[str, str]:
    """Use a link as a browser does; returns the room's address and the cookie."""
    used = len(served.links)
    token = served.links[-1].partition("#")[2]
    async with client.post(
        f"{served.address}/enter", data=token, headers={"Origin": served.address}
    ) as answer:
        assert answer.status == 200
        cookie = answer.headers["Set-Cookie"]
        found = (await answer.json())["room"]
    while len(served.links) == used:  # the next one is printed when this one is used
        await asyncio.sleep(0.01)
    assert f"Path={found}" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert cookie.partition("=")[2].partition(";")[0] not in found
    return f"{served.address}{found}", cookie.partition(";")[0]


def stranger() -> aiohttp.ClientSession:
    """A client that keeps no cookies but those it is told to send."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())


async def test_the_door_opens_to_the_link_and_once(instance: Instance) -> None:
    with serving(instance) as served:
        async with stranger() as client:
            token = served.links[0].partition("#")[2]
            assert await enter(client, served, "wrong") == 403
            assert await enter(client, served, "") == 403
            assert await enter(client, served, "\u00e9\ud7ff") == 403
            assert await enter(client, served, token, Origin="http://evil.example") == 403
            assert await enter(client, served, token) == 200
            assert await enter(client, served, token) == 403
            served.until("For another visitor")
            assert len(set(served.links)) == 2
            attempts = [await enter(client, served, "wrong") for _ in range(20)]
            assert 429 in attempts
            await room(client, served)  # the right one is heard even then


async def test_a_room_is_shown_to_its_visitor_only(instance: Instance) -> None:
    with serving(instance) as served:
        async with stranger() as client:
            address, cookie = await room(client, served)
            _, other = await room(client, served)
            for headers in ({}, {"Cookie": other}, {"Cookie": "flux-top="}):
                for path in ("", "line"):
                    async with client.get(address + path, headers=headers) as answer:
                        assert answer.status == 403
            for wrong in ("Host", "Origin"):
                headers = {"Cookie": cookie, "Origin": served.address, wrong: "http://evil.example"}
                with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                    await client.ws_connect(address + "line", headers=headers)
            headers = {"Cookie": cookie, "Origin": served.address, "Host": "evil.example:80"}
            async with client.get(address, headers=headers) as answer:
                assert answer.status == 403
            async with client.get(address, headers={"Cookie": cookie}) as answer:
                assert answer.status == 200
                assert answer.headers["Referrer-Policy"] == "no-referrer"
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert dashboards(served) == []


_STRANGER = """
import http.client, os, sys
"".encode("idna")  # found now: later, nothing of the interpreter's can be read
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
port, pids = int(sys.argv[1]), sys.argv[2].split(",")
for path in ("/", "/x/", "/x/line", "/assets/../door.py", "/assets/room.html"):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path)
    print(path, connection.getresponse().status)
for pid in pids:
    print(open(f"/proc/{pid}/cmdline").read())
    try:
        print(open(f"/proc/{pid}/environ").read())
    except PermissionError:
        print("no environment")
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
async def test_another_user_of_the_machine_learns_nothing(instance: Instance) -> None:
    with serving(instance, "--read-only") as served:
        async with stranger() as client:
            address, cookie = await room(client, served)
            headers = {"Cookie": cookie, "Origin": served.address}
            async with client.ws_connect(address + "line", headers=headers) as line:
                assert (await line.receive_json())[0] == "instance_id"
                (child,) = dashboards(served)
                assert "--read-only" in child.cmdline()
                secrets = [link.partition("#")[2] for link in served.links]
                secrets += [cookie.partition("=")[2], address.split("/")[3]]
                ours = "\0".join([*child.cmdline(), *child.environ().values()])
                assert not any(secret in ours for secret in secrets)
                port = served.address.rpartition(":")[2]
                done = await asyncio.to_thread(
                    subprocess.run,
                    [sys.executable, "-c", _STRANGER, port, f"{served.process.pid},{child.pid}"],
                    capture_output=True,
                    text=True,
                    timeout=PATIENCE,
                    check=False,
                )
    told = done.stdout.splitlines()
    assert told[:5] == [
        "/ 200",
        "/x/ 403",
        "/x/line 403",
        "/assets/../door.py 404",
        "/assets/room.html 404",
    ], done.stderr
    assert "no environment" in told
    assert not any(secret in done.stdout for secret in secrets)


async def test_nonsense_of_a_page_ends_its_connection_only(instance: Instance) -> None:
    with serving(instance) as served:
        async with stranger() as client:
            address, cookie = await room(client, served)
            headers = {"Cookie": cookie, "Origin": served.address}
            for nonsense in (
                "{",
                "[" * 100_000,
                '["stdin", 3]',
                '["resize", {"width": "x", "height": 3}]',
                "[]",
                "x" * 300_000,
            ):
                async with client.ws_connect(address + "line", headers=headers) as line:
                    await line.receive_json()
                    await line.send_str(nonsense)
                    while (await line.receive()).type is aiohttp.WSMsgType.BINARY:
                        pass
                await until(lambda: not dashboards(served))
            async with client.ws_connect(
                address + "line?width=99999&height=-1", headers=headers
            ) as line:
                await line.receive_json()
                await line.send_str('["resize", {"width": 1000000000000, "height": -5}]')
                await line.send_str('["stdin", "\\ud800"]')
                await line.send_str('["ping", "1"]')
                while (await line.receive()).data != '["pong", "1"]':
                    pass


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_dashboards_end_with_their_server(instance: Instance, signum: int) -> None:
    with serving(instance) as served:
        async with stranger() as client:
            address, cookie = await room(client, served)
            headers = {"Cookie": cookie, "Origin": served.address}
            lines = [await client.ws_connect(address + "line", headers=headers) for _ in range(2)]
            for line in lines:
                await line.receive_json()
            children = dashboards(served)
            assert len(children) == 2
            served.process.send_signal(signum)
            code = await asyncio.to_thread(served.until_over)
            assert code == (-signum if signum == signal.SIGKILL else 128 + signum)
            assert still_there(children) == []
            for line in lines:
                await line.close()
        assert "Traceback" not in served.written


async def test_an_idle_dashboard_ends(instance: Instance) -> None:
    with serving(instance, "--serve-idle=0.5s") as served:
        async with stranger() as client:
            address, cookie = await room(client, served)
            headers = {"Cookie": cookie, "Origin": served.address}
            async with client.ws_connect(address + "line", headers=headers) as line:
                while (message := await line.receive()).type in (
                    aiohttp.WSMsgType.BINARY,
                    aiohttp.WSMsgType.TEXT,
                ):
                    pass
                assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4001)
        await until(lambda: not dashboards(served))


async def test_a_port_that_is_taken_is_told(instance: Instance) -> None:
    with serving(instance) as served:
        port = served.address.rpartition(":")[2]
        done = await asyncio.to_thread(instance.run, "top", f"--serve={port}")
        assert done.returncode == 1
        assert (
            done.stderr == f"flux-top: cannot listen on 127.0.0.1:{port}: Address already in use\n"
        )


def test_without_the_library_it_says_what_to_install(instance: Instance) -> None:
    hide = "import importlib.util as u\nf = u.find_spec\n"
    hide += "u.find_spec = lambda n, p=None: None if n == 'textual_serve' else f(n, p)\n"
    program = f"{hide}from fluxctl.main import main\nmain(['top', '--serve'])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=instance.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("flux-top: --serve needs the package textual-serve: pip install")


# What a browser shows and does


@browsing
async def test_a_browser_shows_an_instance_live(instance: Instance) -> None:
    with serving(instance) as served:
        async with chromium() as browser:
            page = await browser.new_page()
            await page.go(served.address)
            await page.until_told("opens by the link")
            await opened(page, served.links[0])
            assert "#" not in await page.evaluate("location.href")
            jobid = run_job(instance, "browsed")
            await page.until("browsed")
            picture = await page.picture()

            since = len(page.received)
            await page.press("y")
            await page.until("]52;c;", since)
            context = page.context
            await browser.call(
                "Browser.grantPermissions",
                permissions=["clipboardReadWrite", "clipboardSanitizedWrite"],
                origin=served.address,
                browserContextId=context,
            )
            await page.press("y")
            while await page.evaluate("navigator.clipboard.readText()") != jobid:
                await asyncio.sleep(0.05)

            await page.press("c")
            await page.until("Cancel ", since)
            assert await page.picture() != picture
            await page.press("tab", "enter")
            await asyncio.to_thread(until_equal, lambda: state(instance, jobid), "CANCELED")

            (child,) = dashboards(served)
            before = terminal_size(child.pid)
            await page.resize(1400, 800)
            await until(lambda: terminal_size(child.pid) > before)

            assert all(url.startswith(served.address) for url in page.requests)
            token = served.links[0].partition("#")[2]
            assert not any(token in url for url in page.requests)
            assert not any("Content Security Policy" in text for text in page.refused)

            other = await browser.new_page()
            await other.go(served.links[0])
            await other.until_told("has been used")


@browsing
async def test_a_browser_comes_back_when_the_network_was_cut(instance: Instance) -> None:
    with serving(instance) as served:
        port = int(served.address.rpartition(":")[2])
        async with network(port) as way, chromium() as browser:
            page = await browser.new_page()
            await opened(page, served.links[0].replace(f":{port}", f":{way.port}"))
            (child,) = dashboards(served)
            way.cut()
            await page.until_told("Connection lost")
            run_job(instance, "meanwhile")
            since = len(page.received)
            way.mend()
            await page.until("JOBID", since)
            await page.until("meanwhile", since)
            assert await page.evaluate("document.getElementById('notice').hidden")
            assert dashboards(served) == [child]
            await page.press("q")
            await page.until_told("The dashboard has ended.")
            await page.evaluate("document.getElementById('again').click()")
            await until(lambda: dashboards(served) not in ([], [child]))


@browsing
async def test_visitors_have_dashboards_of_their_own(instance: Instance) -> None:
    with serving(instance, "--serve-sessions=2") as served:
        async with chromium() as browser:
            first = await browser.new_page()
            await opened(first, served.links[-1])
            await asyncio.to_thread(served.until, "For another visitor")
            second = await browser.new_page()
            await opened(second, served.links[-1])
            assert len(dashboards(served)) == 2
            run_job(instance, "seen-by-both")
            await first.until("seen-by-both")
            await second.until("seen-by-both")
            third = await browser.new_page(context=second.context)
            await third.go(str(await second.evaluate("location.href")))
            await third.until_told("No more dashboards")
            await first.close()
            await until(lambda: len(dashboards(served)) == 1)
            await third.evaluate("document.getElementById('again').click()")
            await third.until("seen-by-both")


@browsing
async def test_a_browser_is_told_that_the_server_has_ended(instance: Instance) -> None:
    with serving(instance) as served:
        async with chromium() as browser:
            page = await browser.new_page()
            await opened(page, served.links[0])
            served.process.send_signal(signal.SIGINT)
            await page.until_told("flux top --serve has ended.")


# Who may not come in, and tries


def sockets(served: Served) -> int:
    return len(psutil.Process(served.process.pid).net_connections("tcp"))


async def gone(reader: asyncio.StreamReader) -> bool:
    """Whether the server has ended a connection."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


async def test_strangers_are_few_and_keep_nobody_out(instance: Instance) -> None:
    with serving(instance) as served:
        port = int(served.address.rpartition(":")[2])
        many = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
        try:
            for reader, _ in many[:-STRANGERS]:
                assert await asyncio.wait_for(gone(reader), PATIENCE)
            assert sockets(served) <= STRANGERS + 1  # and the one that listens
            async with aiohttp.ClientSession() as client:
                address, cookie = await room(client, served)
                head = {"Cookie": cookie}
                async with client.get(address, headers=head) as answer:
                    assert answer.status == 200
                    # Who has signed in stays, however many come.
                    later = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
                    many += later
                    assert await asyncio.wait_for(gone(later[0][0]), PATIENCE)
                async with client.get(address, headers=head) as answer:
                    assert answer.status == 200
        finally:
            for _, writer in many:
                writer.close()
