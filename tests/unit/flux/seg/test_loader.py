"""Modules found, checked, activated and deactivated."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from flux.seg import SegError, SegErrorType
from flux.seg.loader import find, load

if TYPE_CHECKING:
    import pathlib

GOOD = """
calls = []
def activate(): calls.append("activate")
def deactivate(): calls.append("deactivate")
seg_module = {"name": "good", "activate": activate, "deactivate": deactivate, "version": "1.2"}
"""


def written(folder: pathlib.Path, text: str, name: str = "mine.py") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def refusal(name: str) -> SegError:
    with pytest.raises(SegError) as caught:
        load(name)
    return caught.value


async def test_a_module_is_activated_once_then_deactivated_once(tmp_path: pathlib.Path) -> None:
    module = load(written(tmp_path, GOOD))
    assert (module.descriptor.name, module.descriptor.version) == ("good", "1.2")
    calls: list[str] = sys.modules["flux_seg_module_mine"].calls
    await module.deactivate()
    assert calls == [], "what is not active is not deactivated"
    await module.activate()
    with pytest.raises(SegError, match="good is active") as caught:
        await module.activate()
    assert caught.value.type == SegErrorType.ALREADY_SET
    await module.deactivate()
    await module.deactivate()
    assert calls == ["activate", "deactivate"]
    assert "flux_seg_module_mine" not in sys.modules, "it is unloaded"


async def test_hooks_may_wait(tmp_path: pathlib.Path) -> None:
    text = """
import asyncio
calls = []
async def activate():
    await asyncio.sleep(0)
    calls.append("activate")
async def deactivate():
    await asyncio.sleep(0)
    calls.append("deactivate")
class seg_module:
    name = "waits"
    activate = staticmethod(activate)
    deactivate = staticmethod(deactivate)
"""
    module = load(written(tmp_path, text))
    calls: list[str] = sys.modules["flux_seg_module_mine"].calls
    await module.activate()
    await module.deactivate()
    assert calls == ["activate", "deactivate"]


def test_names_are_looked_up(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
    monkeypatch.setenv("FLUX_SEG_PATH", f"{tmp_path}/first:{tmp_path}/second::/nosuch")
    written(tmp_path / "second", GOOD)
    assert find("mine") == tmp_path / "second" / "mine.py"
    written(tmp_path / "first", GOOD)
    assert find("mine") == tmp_path / "first" / "mine.py"
    assert find("flux").parent.name == "modules"
    written(tmp_path / "first", GOOD, "flux.py")
    assert find("flux") == tmp_path / "first" / "flux.py"
    monkeypatch.chdir(tmp_path / "second")
    assert str(find("mine.py")) == "mine.py"


@pytest.mark.parametrize(
    "name",
    ["nosuch", "/nosuch/file.py", "nosuch.py", "", "a\0b", "/tmp", "9" * 300, "/" + "9" * 300],
)
def test_modules_that_are_not_there(name: str) -> None:
    assert refusal(name).type == SegErrorType.LOADING_MODULE


@pytest.mark.parametrize(
    "text",
    [
        "this is no Python",
        "import nosuch_module_at_all",
        "raise ValueError('no\\nway')",
        "raise SystemExit(0)",
        "1/0",
    ],
)
def test_code_that_fails(tmp_path: pathlib.Path, text: str) -> None:
    error = refusal(written(tmp_path, text))
    assert error.type == SegErrorType.LOADING_MODULE
    assert "\n" not in str(error)
    assert "flux_seg_module_mine" not in sys.modules


@pytest.mark.parametrize(
    "text",
    [
        "",
        "seg_module = None",
        "seg_module = 5",
        "seg_module = {}",
        "seg_module = {'name': 'x'}",
        "seg_module = {'name': '', 'activate': print}",
        "seg_module = {'name': 7, 'activate': print}",
        "seg_module = {'name': 'x', 'activate': 'print'}",
        "seg_module = {'name': 'x', 'activate': lambda what: None}",
        "seg_module = {'name': 'x', 'activate': print, 'deactivate': 1}",
    ],
)
def test_descriptors_that_make_no_sense(tmp_path: pathlib.Path, text: str) -> None:
    assert refusal(written(tmp_path, text)).type == SegErrorType.INVALID_MODULE
    assert "flux_seg_module_mine" not in sys.modules


@pytest.mark.parametrize("body", ["return 1", "raise OSError(5, 'disk on fire')", "return 'no'"])
async def test_an_activation_that_fails(tmp_path: pathlib.Path, body: str) -> None:
    text = f"def activate(): {body}\nseg_module = {{'name': 'x', 'activate': activate}}"
    module = load(written(tmp_path, text))
    with pytest.raises(SegError) as caught:
        await module.activate()
    assert caught.value.type == SegErrorType.LOADING_MODULE
    assert not module.active


async def test_a_deactivation_that_raises_unloads_all_the_same(tmp_path: pathlib.Path) -> None:
    text = """
def activate(): return 0
def deactivate(): raise KeyError("x")
seg_module = {"name": "bad", "activate": activate, "deactivate": deactivate}
"""
    module = load(written(tmp_path, text))
    await module.activate()
    with pytest.raises(SegError, match="bad: deactivate: KeyError: 'x'"):
        await module.deactivate()
    assert "flux_seg_module_mine" not in sys.modules
    await module.deactivate()


def test_the_name_is_a_string() -> None:
    five: Any = 5
    with pytest.raises(TypeError, match="a string"):
        find(five)
