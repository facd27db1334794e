"""Python code of others, by file and by folder."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from flux import importer

if TYPE_CHECKING:
    from pathlib import Path

DATACLASS = """
from __future__ import annotations
from dataclasses import dataclass

@dataclass
class Point:
    x: int
"""


def test_a_file_is_a_module_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "shapes.py").write_text(DATACLASS)
    module = importer.import_path(tmp_path / "shapes.py")
    assert module.__name__ == "shapes"
    assert module.Point(3).x == 3
    assert "shapes" not in sys.modules


def test_a_file_hides_no_module_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("mine = 1\n")
    assert importer.import_path(str(tmp_path / "json.py")).mine == 1
    assert sys.modules["json"] is json


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("x = 1\n")
    with pytest.raises(FileNotFoundError):
        importer.import_path(tmp_path / "nothing.py")
    with pytest.raises(OSError, match="it is no Python file"):
        importer.import_path(tmp_path / "text.txt")
    with pytest.raises(IsADirectoryError):
        importer.import_path(tmp_path)


def test_folders_come_before_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "sitepluginspkg"
    package.mkdir(parents=True)
    (package / "a.py").write_text("where = 'package'\n")
    (package / "b.py").write_text("where = 'package'\n")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "b.py").write_text("where = 'mine'\n")
    (mine / "notes.txt").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    found = importer.import_plugins("sitepluginspkg", [str(tmp_path / "none"), str(mine)])
    assert {name: module.where for name, module in found.items()} == {"a": "package", "b": "mine"}
    assert list(importer.import_plugins("sitepluginspkg", str(mine))) == ["a", "b"]
    assert sorted(importer.import_plugins_pkg(sys.modules["sitepluginspkg"])) == ["a", "b"]


def test_a_package_that_does_not_exist_has_no_plugins() -> None:
    assert importer.import_plugins("no.such.package") == {}


def test_what_a_plugin_lacks_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import nosuchthing\n")
    with pytest.raises(ModuleNotFoundError, match="nosuchthing"):
        importer.import_plugins("no.such.package", [str(tmp_path)])
