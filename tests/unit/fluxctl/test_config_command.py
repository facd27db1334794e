"""`flux config`: what is read, sent and printed."""

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
    bad, missing = tmp_path / "bad.toml", tmp_path / "no"
    for path, why in (
        (bad, f"{bad}: it is not UTF-8 text"),
        (missing, f"stat: {missing}: No such file or directory"),
    ):
        assert main.invoke("config", ["load", str(path)]) == 1
        assert f"Error parsing config: {why}\n" in capsys.readouterr().err
    assert len(sent) == 1


TABLES = {"a": {"s": "x", "i": 42, "r": 1.5, "b": True, "f": "10s", "l": [1], "t": {"k": "v"}}}


class _Broker:
    """A broker whose configuration is read and replaced; it refuses a table called refused."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tables: dict[str, Any] = json.loads(json.dumps(TABLES))
        flux = ScriptedFlux({"config.get": lambda _: self.tables, "config.load": self._load})
        monkeypatch.setattr(config_command, "handle", lambda: nullcontext(flux))

    def _load(self, tables: dict[str, Any]) -> dict[str, Any]:
        if "refused" in tables:
            raise OSError(22, "refused: unknown key")
        self.tables = tables
        return {}


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> _Broker:
    return _Broker(monkeypatch)


def _run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """Return the exit code of `flux config`, what it printed and the sentence that it said."""
    code = main.invoke("config", [*args])
    out, err = capsys.readouterr()
    return code, out.rstrip("\n"), err.split("\n")[0].removeprefix("flux-config: ")


@pytest.mark.parametrize(
    ("args", "printed"),
    [
        (["a.s"], "x"),
        (["a.t"], '{"k":"v"}'),
        (["-q", "a.i"], "42"),
        (["-t", "any", "a.l"], "[1]"),
        (["-t", "fsd", "a.f"], "10s"),
        (["-t", "fsd-integer", "a.f"], "10"),
        (["-t", "fsd-real", "a.f"], "10.000000"),
        (["-t", "integer", "-d", "none", "a.none"], "none"),
        (["-d", "none", "a.s"], "x"),
    ],
)
@pytest.mark.usefixtures("broker")
def test_get_prints(args: list[str], printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(capsys, "get", *args) == (0, printed, "")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["a.none"], "a.none is not set"),
        (["a.s.x"], "a.s.x is not set"),
        (["-q", "a.none"], ""),
        (["-t", "real", "a.i"], "a.i does not have the requested type"),
        (["-t", "integer", "a.b"], "a.b does not have the requested type"),
        (["-q", "-t", "fsd", "a.s"], "a.s does not have the requested type"),
        (["-t", "string"], "value does not have the requested type"),
        (["-t", "bogus", "a.s"], "Unknown type: bogus"),
        (["a..s"], "a..s: Invalid argument"),
        ([""], ": Invalid argument"),
    ],
)
@pytest.mark.usefixtures("broker")
def test_get_refuses(args: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(capsys, "get", *args) == (1, "", told)


def test_get_reads_files_without_a_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("flux.conf_builtin.CONFIGURATION", str(tmp_path))
    (tmp_path / "security" / "conf.d").mkdir(parents=True)
    (tmp_path / "security" / "conf.d" / "sign.toml").write_text("[sign]\nmax-ttl = 30\n")
    assert _run(capsys, "get", "-c", "security", "sign.max-ttl") == (0, "30", "")
    assert _run(capsys, "get", "-c", f"{tmp_path}/security/conf.d/sign.toml", "sign") == (
        0,
        '{"max-ttl":30}',
        "",
    )
    missing = f"stat: {tmp_path}/system/conf.d: No such file or directory"
    assert _run(capsys, "get", "-c", "system", "sign") == (1, "", missing)


@pytest.mark.parametrize(
    ("args", "key", "value"),
    [
        (["a.i", "5"], "i", 5),
        (["a.r", "5"], "r", 5.0),
        (["a.s", "5"], "s", "5"),
        (["a.b", "off"], "b", False),
        (["a.l", "[2]"], "l", [2]),
        (["-t", "string", "a.i", "5"], "i", "5"),
        (["-t", "fsd", "a.new", "5m"], "new", "5m"),
        (["-t", "object", "a.new", '{"x": 1}'], "new", {"x": 1}),
        (["-t", "integer", "--", "a.n.m", "-0x10"], "n", {"m": -16}),
    ],
)
def test_set_keeps_what_else_is_there(
    args: list[str], key: str, value: object, broker: _Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(capsys, "set", *args) == (0, "", "")
    assert broker.tables == {"a": TABLES["a"] | {key: value}}
    assert type(broker.tables["a"][key]) is type(value)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["a.new", "1"], "Type is unknown, please specify --type"),
        (["a.i", "x"], "Error parsing integer value"),
        (["a.i", str(1 << 63)], "Error parsing integer value"),
        (["a.r", "inf"], "Error parsing real value"),
        (["a.b", "maybe"], "Error parsing boolean value"),
        (["-t", "object", "a.t", "[1]"], "Error parsing json object"),
        (["-t", "array", "a.l", "{"], "Error parsing json array"),
        (["-t", "fsd", "a.f", "x"], "Error parsing Flux Standard Duration"),
        (["-t", "fsd-real", "a.f", "1s"], "Invalid type for the set subcommand: fsd-real"),
        (["-t", "string", "a.s.q", "r"], "a.s is not a table"),
        (["-t", "string", "a.", "r"], "a.: Invalid argument"),
        (["-t", "string", "refused", "r"], "Error updating config object: refused: unknown key"),
    ],
)
def test_set_refuses(
    args: list[str], told: str, broker: _Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(capsys, "set", *args) == (1, "", told)
    assert broker.tables == TABLES


def test_unset(broker: _Broker, capsys: pytest.CaptureFixture[str]) -> None:
    for key in ("a.none", "none.x", "a.s.x"):
        assert _run(capsys, "unset", key) == (0, "", "")
    assert broker.tables == TABLES
    assert _run(capsys, "unset", "a.t.k") == (0, "", "")
    assert broker.tables == {"a": TABLES["a"] | {"t": {}}}
    assert _run(capsys, "unset", "a") == (0, "", "")
    assert broker.tables == {}
    told = "Error deleting a. from config object: Invalid argument"
    assert _run(capsys, "unset", "a.") == (1, "", told)


def test_built_in_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.invoke("config", ["builtin", "--intree", "rundir"]) == 0
    assert capsys.readouterr().out == "/run/flux\n"
    assert main.invoke("config", ["builtin"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{k} {v}" for k, v in VALUES.items()]
    assert main.invoke("config", ["builtin", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == VALUES
    assert main.invoke("config", ["builtin", "rundri"]) == 1
    assert "flux-config: rundri is invalid" in capsys.readouterr().err
