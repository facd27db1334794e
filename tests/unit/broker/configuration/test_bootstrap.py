"""``[bootstrap]``: hosts, tokens, and the messages about mistakes (flux-config-bootstrap(5))."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from broker.bootstrap.static import own_name, placed
from broker.configuration import load
from broker.configuration.bootstrap import BootstrapConfig, BootstrapError, substitute

if TYPE_CHECKING:
    import pathlib

MANUAL = """
[bootstrap]
default_port = 8050
default_bind = "tcp://en0:%p"
default_connect = "tcp://e%h:%p"
curve_cert = "/etc/flux/cert"

hosts = [
    {
        host="fluke0",
        bind="tcp://en4:9001",
        connect="tcp://fluke-mgmt:9001"
    },
    { host = "fluke[1-1023]" },
]
"""


def table(folder: pathlib.Path, text: str) -> BootstrapConfig:
    (folder / "one.toml").write_text(text)
    found = load(str(folder)).bootstrap
    assert found is not None
    return found


def mistake(folder: pathlib.Path, text: str) -> list[str]:
    with pytest.raises(BootstrapError) as failure:
        table(folder, text)
    return str(failure.value.strerror).splitlines()


def test_the_example_of_the_manual(tmp_path: pathlib.Path) -> None:
    found = table(tmp_path, MANUAL)
    assert len(found.hosts) == 1024
    assert found.hostlist == "fluke[0-1023]"
    assert found.bind(0) == "tcp://en4:9001"
    assert found.connect(0) == "tcp://fluke-mgmt:9001"
    assert found.bind(7) == "tcp://en0:8050"
    assert found.connect(7) == "tcp://efluke7:8050"
    topology = placed(found, "fluke3", 2)
    assert (topology.rank, topology.size, topology.parent) == (3, 1024, 1)


def test_ranks_are_in_the_order_of_hosts(tmp_path: pathlib.Path) -> None:
    found = table(tmp_path, '[bootstrap]\nhosts = [{host = "foo[0-3,18,4,20]"}]\n')
    assert [found.rank_of(f"foo{n}") for n in (18, 4, 20)] == [4, 5, 6]


def test_without_hosts_a_broker_is_alone(tmp_path: pathlib.Path) -> None:
    for text in ("[bootstrap]\n", "[bootstrap]\nhosts = []\n"):
        assert placed(table(tmp_path, text), "any", 2).size == 1


def test_a_host_that_is_not_listed() -> None:
    with pytest.raises(BootstrapError, match=r"\[bootstrap\]: b not found in hosts"):
        BootstrapConfig().rank_of("b")


def test_several_hosts_need_a_certificate(tmp_path: pathlib.Path) -> None:
    found = table(tmp_path, '[bootstrap]\nhosts = [{host = "a,b"}]\n')
    with pytest.raises(BootstrapError, match=r"\[bootstrap\] curve_cert is required for size > 1"):
        placed(found, "b", 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hosts = 42", "Config file error [bootstrap] hosts must be array type: FILE:2: "),
        ("hosts = [42]", "Config file error [bootstrap]: missing host field: FILE:2: "),
        ("\nhosts = [{}]", "Config file error [bootstrap]: missing host field: FILE:3: "),
        ('hosts = [{host="a"},\n{host="b,a"}]', "Config file error [bootstrap]: a is listed twice"),
        ('hosts = [{host="a["}]', "Config file error [bootstrap]: invalid hostlist: FILE:2: boot"),
        ('hosts = [{host="a", bnd="x"}]', "Config file error: FILE:2: bootstrap.hosts[0].bnd: "),
        ("hosts = [{host=1}]", "Config file error: FILE:2: bootstrap.hosts[0].host: must be a str"),
        ('hosts = [{host="a", bind="en0"}]', "Config file error: FILE:2: bootstrap.hosts[0].bind"),
        ("default_port = 0", "Config file error: FILE:2: bootstrap.default_port: must be an int"),
        ('default_bind = "udp://h:1"', "Config file error: FILE:2: bootstrap.default_bind: must"),
        ('default_connect = "tcp://%x:1"', "Config file error: FILE:2: bootstrap.default_connect"),
        ("enable_ipv6 = 1", "Config file error: FILE:2: bootstrap.enable_ipv6: must be true or"),
        ("curve_cert = []", "Config file error: FILE:2: bootstrap.curve_cert: must be a string"),
        ("port = 1", "Config file error: FILE:2: bootstrap.port: unknown key"),
    ],
)
def test_mistakes(tmp_path: pathlib.Path, text: str, said: str) -> None:
    lines = mistake(tmp_path, f"[bootstrap]\n{text}\n")
    assert lines[0].replace(f"{tmp_path}/one.toml", "FILE").startswith(said)


def test_the_hint_about_entries(tmp_path: pathlib.Path) -> None:
    lines = mistake(tmp_path, "[bootstrap]\nhosts = [42]\n")
    assert lines[1] == "Hint: hosts entries must be table containing a host key"


def test_tokens() -> None:
    assert substitute("tcp://%h.x:%p", "n1", 80) == "tcp://n1.x:80"
    assert substitute("ipc:///run/100%%", "n1", None) == "ipc:///run/100%"
    with pytest.raises(ValueError, match="%p needs default_port"):
        substitute("tcp://%h:%p", "n1", None)
    with pytest.raises(ValueError, match="unknown token %q"):
        substitute("tcp://%q", "n1", 1)


def test_a_broker_with_others_below_needs_endpoints(tmp_path: pathlib.Path) -> None:
    found = table(tmp_path, '[bootstrap]\nhosts = [{host="a"}, {host="b", bind="tcp://*:%p"}]\n')
    with pytest.raises(BootstrapError, match="a has brokers below it and needs bind or default_"):
        found.bind(0)
    with pytest.raises(BootstrapError, match=r"bind of b: .*%p needs default_port"):
        found.bind(1)
    with pytest.raises(BootstrapError, match="needs connect or default_connect"):
        found.connect(0)


def test_a_fake_name_counts_more_than_the_hosts() -> None:
    assert own_name({"FLUX_FAKE_HOSTNAME": "fake3"}) == "fake3"
    assert own_name({}) != ""
