"""A cluster as an administrator sets it up: hosts, one file, one certificate, brokers that come and
go.
"""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.system.hosts import PORT, Hosts, missing

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(missing() != "", reason=missing() or "there are hosts")
FOREVER = ("sleep", "inf")


def described(count: int) -> str:
    """An R of ``count`` hosts with one core each."""
    entries = [{"rank": f"0-{count - 1}", "children": {"core": "0"}}]
    execution = {
        "R_lite": entries,
        "nodelist": [f"h[0-{count - 1}]"],
        "starttime": 0,
        "expiration": 0,
    }
    return json.dumps({"version": 1, "execution": execution})


def test_one_file_starts_them_all(tmp_path: pathlib.Path) -> None:
    with Hosts(tmp_path, 5) as hosts:
        script = (
            "flux getattr size; flux getattr config.hostlist; flux mini run -N5 -n5 hostname | sort"
        )
        for number in (3, 4, 1, 2):
            hosts.start(f"h{number}")
        hosts.start("h0", program=("sh", "-c", script))
        codes = {name: broker.wait(90) for name, broker in hosts.brokers.items()}
        assert set(codes.values()) == {0}, [hosts.log(name) for name in codes]
        said = hosts.log("h0").splitlines()
        assert said[:2] == ["5", "h[0-4]"]
        assert [line for line in said if line in ("h0", "h1", "h2", "h3", "h4")] == [
            f"h{number}" for number in range(5)
        ]


def test_links_over_ipv6(tmp_path: pathlib.Path) -> None:
    with Hosts(tmp_path, 3) as hosts:
        hosts.configure(
            "",
            f'enable_ipv6 = true\ndefault_port = {PORT}\ndefault_bind = "tcp://[::]:%p"\n'
            'default_connect = "tcp://[fd99::1]:%p"\nhosts = [{ host = "h[0-2]" }]',
        )
        for name in ("h1", "h2"):
            hosts.start(name)
        hosts.start("h0", program=("flux", "exec", "flux", "getattr", "tbon.parent-endpoint"))
        assert hosts.brokers["h0"].wait(60) != 0, "rank 0 has no parent"
        assert hosts.log("h0").count(f"tcp://[fd99::1]:{PORT}\n") == 2


def test_late_joiners_and_brokers_that_leave_and_come_back(tmp_path: pathlib.Path) -> None:
    (tmp_path / "R").write_text(described(4))
    with Hosts(tmp_path, 4) as hosts:
        hosts.configure(f'[resource]\npath = "{tmp_path}/R"\n')
        hosts.start("h2")  # before there is anybody to join
        hosts.start("h0", "-Sbroker.quorum=0", "-Soverlay.timeout=20", program=FOREVER)
        hosts.until(lambda: hosts.up() == "0,2")
        assert hosts.flux("mini", "run", "-N2", "-n2", "true") == ""
        job = hosts.flux("mini", "submit", "-N4", "-n4", "hostname").strip()
        hosts.start("h3")  # its parent is not there yet
        hosts.start("h1")
        hosts.until(lambda: hosts.up() == "0-3")
        assert sorted(hosts.flux("job", "attach", job).split()) == ["h0", "h1", "h2", "h3"]

        ways: list[Callable[[], None]] = [hosts.brokers["h2"].terminate, hosts.brokers["h2"].kill]
        for leave in ways:
            broker = hosts.brokers["h2"]
            os.kill(broker.pid, signal.SIGTERM if leave is ways[0] else signal.SIGKILL)
            broker.wait(60)
            hosts.until(lambda: hosts.up() == "0-1,3")
            assert hosts.flux("mini", "run", "-N3", "-n3", "true") == ""
            hosts.start("h2")
            hosts.until(lambda: hosts.up() == "0-3")
            assert hosts.flux("mini", "run", "-N4", "-n4", "true") == ""

        hosts.brokers["h1"].terminate()  # h3 is below it, and ends first
        assert hosts.brokers["h3"].wait(60) == 0, hosts.log("h3")
        hosts.until(lambda: hosts.up() == "0,2")
        hosts.brokers["h1"].wait(60)
        for name in ("h3", "h1"):
            hosts.start(name)
        hosts.until(lambda: hosts.up() == "0-3")

        hosts.brokers["h1"].kill()
        hosts.until(lambda: hosts.up() == "0,2")
        assert hosts.brokers["h3"].wait(60) == 1
        for name in ("h3", "h1"):
            hosts.start(name)
        hosts.until(lambda: hosts.up() == "0-3")
        assert hosts.flux("mini", "run", "-N4", "-n4", "true") == ""


def test_a_host_that_comes_back_before_it_was_missed(tmp_path: pathlib.Path) -> None:
    with Hosts(tmp_path, 3) as hosts:
        hosts.start("h0", "-Soverlay.timeout=600", program=FOREVER)
        for name in ("h1", "h2"):
            hosts.start(name)
        hosts.until(lambda: hosts.up() == "0-2")
        silent = hosts.brokers["h2"]
        silent.send_signal(signal.SIGSTOP)
        hosts.start("h2")
        hosts.until(lambda: "rank 2 is replaced by another broker of that rank" in hosts.log("h0"))
        hosts.until(lambda: hosts.up() == "0-2")
        assert hosts.flux("mini", "run", "-N3", "-n3", "true") == ""
        silent.send_signal(signal.SIGCONT)
        assert silent.wait(60) != 0, "it is told that another has its place"


def test_quorum(tmp_path: pathlib.Path) -> None:
    with Hosts(tmp_path, 3) as hosts:
        hosts.start("h0", "-Sbroker.quorum=0-1", program=("flux", "getattr", "rank"))
        hosts.until(lambda: "init->quorum" in hosts.flux("dmesg", check=False))
        assert hosts.brokers["h0"].poll() is None
        hosts.start("h1")
        assert hosts.brokers["h0"].wait(60) == 0
        assert hosts.log("h0").startswith("0\n")


def test_a_broker_with_another_certificate_is_refused(tmp_path: pathlib.Path) -> None:
    with Hosts(tmp_path, 2) as hosts:
        hosts.start("h0", "-Sbroker.quorum=0", program=FOREVER)
        hosts.until(lambda: "quorum->run" in hosts.flux("dmesg", check=False))
        hosts.flux("keygen", f"{tmp_path}/cert")
        hosts.start("h1")
        hosts.until(lambda: "refused" in hosts.log("h1"))
        assert hosts.flux("resource", "status", "-n", "-s", "offline", "-o", "{ranks}") == "1\n"


def test_the_end_waits_for_a_broker_that_has_come_back(tmp_path: pathlib.Path) -> None:
    with Hosts(tmp_path, 2) as hosts:
        hosts.start("h0", program=FOREVER)
        hosts.start("h1")
        hosts.until(lambda: hosts.up() == "0-1")
        hosts.brokers["h1"].terminate()
        assert hosts.brokers["h1"].wait(60) in (0, 128 + signal.SIGTERM)
        hosts.until(lambda: hosts.up() == "0")
        hosts.start("h1", "-Sbroker.rc3_path=sleep 2")  # takes its time
        hosts.until(lambda: hosts.up() == "0-1")
        hosts.brokers["h0"].terminate()
        assert hosts.brokers["h1"].wait(60) == 0, hosts.log("h1")
        assert hosts.brokers["h0"].wait(60) == 128 + signal.SIGTERM
        assert "lost the connection" not in hosts.log("h1")
