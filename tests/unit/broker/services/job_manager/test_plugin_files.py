"""Files that are plugins, files that are none, and where they are looked for."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

import pytest

from broker.jobtap.files import load_plugin, search_path
from broker.services.job_manager.service import JobManagerService
from broker.testing.harness import ServiceHarness

from .cluster import Cluster
from .plugged import load, remove

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator

GOOD = "def flux_plugin_init(plugin): plugin.mark = {}\n"


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    await cluster.start()
    yield cluster
    await cluster.stop()


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("x.so", b"\x7fELF\x02\x01\x01\0", "x.so: compiled plugins cannot be loaded, only ones in"),
        ("x.py", b"\x7fELF\x02\x01\x01\0", "x.py: compiled plugins cannot be loaded, only ones in"),
        ("x.so", b"garbage \xff\xfe", "x.so: not a Python plugin, which is text in UTF-8"),
        ("x.py", b"a = 1\0", "x.py: not a Python plugin, which is text in UTF-8"),
        ("x", b"root:x:0:0:root:/root:/bin/sh\n", "x: not a Python plugin: invalid syntax ("),
        ("x.py", b"def f(:\n", "x.py: not a Python plugin: invalid syntax ("),
        ("x.py", b"", "x.py: not a plugin: flux_plugin_init is not defined"),
        ("x.py", b"flux_plugin_init = 3\n", "x.py: not a plugin: flux_plugin_init is not defined"),
        ("x.py", b"import nosuch_module\n", "x.py: ModuleNotFoundError: No module named"),
        ("x.py", b"raise SystemExit('bye')\n", "x.py: SystemExit: bye ("),
        ("x.py", b"def flux_plugin_init(p): return -1\n", "x.py: flux_plugin_init returned -1"),
        ("x.py", b"def flux_plugin_init(): pass\n", "x.py: TypeError: flux_plugin_init() takes 0"),
        ("x.py", b"def flux_plugin_init(p): raise SystemExit\n", "x.py: SystemExit:  ("),
        (
            "x.py",
            b"def flux_plugin_init(p): open('/nosuch')\n",
            "x.py: FileNotFoundError: [Errno 2] No such file or directory: '/nosuch' (",
        ),
        ("x.py", b"async def flux_plugin_init(p): pass\n", "is a coroutine function"),
    ],
)
async def test_files_that_are_no_plugins(
    cluster: Cluster, tmp_path: pathlib.Path, name: str, content: bytes, text: str
) -> None:
    (tmp_path / name).write_bytes(content)
    modules = set(sys.modules)
    with pytest.raises(OSError, match=r".") as failure:
        await cluster.manager.request("job-manager.jobtap", {"load": str(tmp_path / name)})
    assert failure.value.errno == errno.EINVAL
    assert text in (failure.value.strerror or "")
    assert "\n" not in (failure.value.strerror or "")
    assert name not in cluster.manager.service.core.plugins.names()
    assert set(sys.modules) == modules
    assert os.listdir(tmp_path) == [name]
    assert await cluster.submit()


def test_what_is_not_there_or_no_file(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder.py").mkdir()
    for name, text in (
        (str(tmp_path / "nosuch.py"), "No such plugin found"),
        ("nosuch.py", "No such plugin found"),
        ("folder.py", "Not a file"),
        (str(tmp_path / "pipe.py"), "Not a file"),
        ("", "No"),
    ):
        with pytest.raises(OSError, match=text) as failure:
            load_plugin(name, [str(tmp_path)])
        assert failure.value.errno == errno.ENOENT


def test_a_file_that_cannot_be_read() -> None:
    with pytest.raises(OSError, match=r"mem: Input/output error") as failure:
        load_plugin("mem", ["/proc/self"])
    assert failure.value.errno == errno.EIO


async def test_a_changed_file_is_read_anew_and_leaves_nothing(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    """Within one tick of the file system's clock, and with the same size."""
    for mark in range(3):
        plugin = await load(cluster, tmp_path, GOOD.format(mark))
        assert vars(plugin)["mark"] == mark
        await remove(cluster)
    assert os.listdir(tmp_path) == ["mine.py"]
    assert not [name for name in sys.modules if name.startswith("flux_jobtap_")]


async def test_a_plugin_may_have_dataclasses(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    text = """
    from __future__ import annotations
    from dataclasses import dataclass

    @dataclass
    class Account:
        name: str

    def flux_plugin_init(plugin):
        plugin.account = Account("x")
    """
    assert vars(await load(cluster, tmp_path, text))["account"].name == "x"


async def test_a_plugin_stays_if_its_next_version_is_none(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    plugin = await load(cluster, tmp_path, GOOD.format(1))
    (tmp_path / "mine.py").write_text("def flux_plugin_init(plugin:\n")
    payload = {"load": str(tmp_path / "mine.py"), "remove": "mine.py"}
    modules = set(sys.modules)
    with pytest.raises(OSError, match="not a Python plugin"):
        await cluster.manager.request("job-manager.jobtap", payload)
    assert plugin in cluster.manager.service.core.plugins.plugins
    assert not plugin.get_flux().closed
    (tmp_path / "mine.py").write_text(GOOD.format(2))
    names = cluster.manager.service.core.plugins.names()
    for other, text in (("nosuch", "Failed to find plugin"), (".begin-time", "already loaded")):
        with pytest.raises(OSError, match=text):
            await cluster.manager.request("job-manager.jobtap", {**payload, "remove": other})
    assert cluster.manager.service.core.plugins.names() == names
    assert set(sys.modules) == modules
    await cluster.manager.request("job-manager.jobtap", payload)
    assert [vars(p).get("mark") for p in cluster.manager.service.core.plugins.plugins][-1] == 2
    assert plugin.get_flux().closed


def test_the_first_of_the_search_path(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "both.py").write_text(GOOD)
    (tmp_path / "two" / "second.py").write_text(GOOD)
    path = f"{tmp_path}/nosuch::{tmp_path}/one:{tmp_path}/two"
    monkeypatch.delenv("FLUX_JOBTAP_PATH", raising=False)
    folders = search_path(path)
    assert load_plugin("both.py", folders).path == f"{tmp_path}/one/both.py"
    assert load_plugin("second.py", folders).path == f"{tmp_path}/two/second.py"
    monkeypatch.setenv("FLUX_JOBTAP_PATH", f"{tmp_path}/two")
    assert load_plugin("both.py", search_path(path)).path == f"{tmp_path}/two/both.py"
    assert search_path("") == [f"{tmp_path}/two"]


@pytest.mark.parametrize("by", ["attribute", "variable"])
async def test_where_the_job_manager_looks(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    (tmp_path / "mine.py").write_text(GOOD)
    attrs = {}
    if by == "attribute":
        monkeypatch.delenv("FLUX_JOBTAP_PATH", raising=False)
        attrs["conf.jobtap_pluginpath"] = str(tmp_path)
    else:
        monkeypatch.setenv("FLUX_JOBTAP_PATH", str(tmp_path))
    manager = ServiceHarness(JobManagerService, attrs=attrs)
    await manager.start()
    await manager.request("job-manager.jobtap", {"load": "mine.py"})
    assert "mine.py" in manager.service.core.plugins.names()
    with pytest.raises(OSError, match=r"mine.py is already loaded"):
        await manager.request("job-manager.jobtap", {"load": str(tmp_path / "mine.py")})
    await manager.stop()
