"""`flux config load` and `flux config builtin`: what is read, sent and printed."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from flux.conf_builtin import VALUES
from flux.testing.scripted import ScriptedFlux
from fluxctl import main
from fluxctl.commands import config as config_command
from fluxctl.config_source import tables_in_files, tables_in_text

if TYPE_CHECKING:
    from pathlib import Path


def test_a_directory_is_merged_in_the_order_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[x]\na = 1\nb = 1\n")
    (tmp_path / "b.toml").write_text("[x]\nb = 2\n")
    (tmp_path / "c.json").write_text('{"y": 1}')
    assert tables_in_files(str(tmp_path)) == {"x": {"a": 1, "b": 2}}
    assert tables_in_files(str(tmp_path / "c.json")) == {"y": 1}


@pytest.mark.parametrize(
    ("text", "tables"),
    [
        ("", {}),
        (' {"a": {"b": 1}}', {"a": {"b": 1}}),
        ("[a]\nb = [1, 2.5, true]\n", {"a": {"b": [1, 2.5, True]}}),
        ("a = 2026-01-02", {"a": "2026-01-02"}),
    ],
)
def test_text_is_json_or_toml(text: str, tables: dict[str, Any]) -> None:
    assert tables_in_text(text) == tables


@pytest.mark.parametrize("text", ["{", "{]", "a =", "a = nan", "[t]\na = [9223372036854775808]"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        tables_in_text(text)


def test_the_tables_are_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent: list[Any] = []

    def load(payload: Any) -> dict[str, Any]:
        sent.append(payload)
        return {}

    flux = ScriptedFlux({"config.load": load})
    monkeypatch.setattr(config_command, "handle", lambda: nullcontext(flux))
    (tmp_path / "site.toml").write_text("[mine]\na = 1\n")
    assert main.invoke("config", ["load", str(tmp_path / "site.toml")]) == 0
    assert sent == [{"mine": {"a": 1}}]
    (tmp_path / "bad.toml").write_bytes(b"\xff")
    for name, reason in (("bad.toml", "it is not UTF-8 text"), ("no", "No such file or directory")):
        path = tmp_path / name
        assert main.invoke("config", ["load", str(path)]) == 1
        assert f"Error parsing config: {path}: {reason}\n" in capsys.readouterr().err
    assert len(sent) == 1


def test_built_in_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.invoke("config", ["builtin", "--intree", "rundir"]) == 0
    assert capsys.readouterr().out == "/run/flux\n"
    assert main.invoke("config", ["builtin"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{k} {v}" for k, v in VALUES.items()]
    assert main.invoke("config", ["builtin", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == VALUES
    assert main.invoke("config", ["builtin", "rundri"]) == 1
    assert "flux-config: rundri is invalid" in capsys.readouterr().err
