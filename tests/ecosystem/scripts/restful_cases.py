"""The server of flux-restful, asked over HTTP by its own client and plainly."""

import contextlib
import os
import socket
import subprocess
import time

import cases
import httpx
from flux_restful.client.main import get_client


@contextlib.contextmanager
def server():
    """Serve on a free port; yields the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = ["flux-restful", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(argv, env=os.environ | {"FLUX_AUTH_BACKEND": "none"}) as process:
        try:
            deadline = time.monotonic() + 60
            while not answers(port):
                assert process.poll() is None, "the server has ended"
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def client():
    with server() as address:
        yield get_client(host=address, quiet=True)


def ended(asked, number):
    deadline = time.monotonic() + 60
    while (info := asked.jobs(number))["state"] != "INACTIVE":
        assert time.monotonic() < deadline, info
        time.sleep(0.05)
    return info


def nodes():
    with client() as asked:
        assert asked.list_nodes()["nodes"], asked.list_nodes()


def jobs():
    with client() as asked:
        number = asked.submit("echo hello")["id"]
        info = ended(asked, number)
        assert info["returncode"] == 0, info
        assert info["name"] == "echo", info
        assert "hello" in "".join(asked.output(number)["Output"])
        listed = asked.jobs(listing=True)
        assert str(number) in str(listed), listed


def options():
    with client() as asked:
        said = asked.submit("echo hello", num_tasks=2, cores_per_task=1)
        info = ended(asked, said["id"])
        assert info["ntasks"] == 2, info
        assert "".join(asked.output(said["id"])["Output"]).count("hello") == 2


def failing():
    with client() as asked:
        info = ended(asked, asked.submit("false")["id"])
        assert info["returncode"] == 1, info


def stream():
    # Plainly: its own client fails at any stream, with an AttributeError of its own.
    with server() as address:
        asked = get_client(host=address, quiet=True)
        number = asked.submit("sh -c 'echo one; echo two'")["id"]
        with httpx.stream("GET", f"{address}/v1/jobs/{number}/output/stream", timeout=60) as said:
            lines = "".join(said.iter_text())
    assert "one" in lines, lines
    assert "two" in lines, lines


def cancel():
    with client() as asked:
        number = asked.submit("sleep 600")["id"]
        asked.cancel(number)
        assert ended(asked, number)["result"] in ("CANCELED", "FAILED")


def search():
    with client() as asked:
        asked.submit("hostname")
        assert "hostname" in str(asked.search("hostname")), asked.search("hostname")


def pages():
    with server() as address:
        for path in ("/docs", "/jobs", "/"):
            found = httpx.get(address + path, timeout=30, follow_redirects=True)
            assert found.status_code == 200, (path, found.text)


if __name__ == "__main__":
    cases.run(nodes, jobs, options, failing, stream, cancel, search, pages)
