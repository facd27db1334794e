"""The environment that `flux` sets for every command (flux(1), flux-env(1))."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from flux import install
from flux.testing.instance import default_flux
from fluxctl.environment import exports, prepared

ROOT = pathlib.Path(__file__).parents[3]


def flux(*words: str, cwd: pathlib.Path | None = None, **env: str) -> str:
    """Run `flux` with an environment of almost nothing and return what it prints."""
    environ = {"PATH": "/usr/bin:/bin", "HOME": "/home/me", "LANG": "C.UTF-8"} | env
    done = subprocess.run(
        [default_flux(), *words],
        env=environ,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("FLUX_CONNECTOR_PATH", install.CONNECTORS),
        ("FLUX_EXEC_PATH", install.COMMANDS),
        ("FLUX_MODULE_PATH", install.MODULES),
        ("PYTHONPATH", install.PYTHON),
    ],
)
def test_search_paths(name: str, place: str) -> None:
    first = f"{name if name.startswith('FLUX_') else f'FLUX_{name}'}_PREPEND"
    assert os.path.isdir(place)
    assert prepared({}, "flux")[name] == place
    assert prepared({first: "/foo"}, "flux")[name] == f"/foo:{place}"
    assert prepared({name: "/mine"}, "flux")[name] == f"{place}:/mine"
    both = prepared({first: "/foo:/bar", name: "/mine"}, "flux")[name]
    assert both == f"/foo:/bar:{place}:/mine"
    assert prepared({first: "/foo:/bar", name: both}, "flux")[name] == both


@pytest.mark.parametrize("name", ["LUA_PATH", "LUA_CPATH"])
def test_lua_search_paths(name: str) -> None:
    alone = prepared({}, "flux")[name]
    place = alone.removesuffix(";;;")
    assert alone == f"{place};;;"
    assert place.startswith(install.SHELL)
    found = prepared({f"FLUX_{name}_PREPEND": "/foo", name: "/mine/?.lua"}, "flux")[name]
    assert found == f"/foo;{place};/mine/?.lua;;;"
    assert prepared({f"FLUX_{name}_PREPEND": "/foo", name: found}, "flux")[name] == found


def test_the_manual_path_ends_in_the_systems() -> None:
    assert prepared({}, "flux")["MANPATH"] == f"{install.MANUAL}:"
    assert prepared({"MANPATH": ""}, "flux")["MANPATH"] == f"{install.MANUAL}:"
    assert prepared({"MANPATH": "/m:/n"}, "flux")["MANPATH"] == f"{install.MANUAL}:/m:/n"
    again = prepared({"MANPATH": f"{install.MANUAL}:"}, "flux")["MANPATH"]
    assert again == f"{install.MANUAL}:"


def test_a_called_path_puts_its_directory_first(tmp_path: pathlib.Path) -> None:
    here = tmp_path / "bin"
    here.mkdir()
    (here / "flux").touch(mode=0o755)
    called = str(here / "flux")
    assert prepared({"PATH": "/a:/b"}, called)["PATH"] == f"{here}:/a:/b"
    assert prepared({"PATH": "/a:/b"}, "flux")["PATH"] == "/a:/b"
    relative = os.path.relpath(called)
    assert prepared({"PATH": f"/a:{here}:/b:{here}"}, relative)["PATH"] == f"{here}:/a:/b"
    # As if by its name: PATH leads there.
    assert prepared({"PATH": f"/a:{here}:/b"}, called)["PATH"] == f"/a:{here}:/b"


def test_the_directory_of_keys() -> None:
    assert prepared({"HOME": "/home/me"}, "flux")["FLUX_SEC_DIRECTORY"] == "/home/me/flux"
    assert "FLUX_SEC_DIRECTORY" not in prepared({"FLUX_SEC_DIRECTORY": "/keys"}, "flux")
    assert "FLUX_SEC_DIRECTORY" not in prepared({}, "flux")


def test_exports_are_quoted_for_a_shell() -> None:
    value = 'a "b" $c `d` \\e'
    lines = "\n".join(exports({"PATH": value, "OTHER": "x"}))
    done = subprocess.run(
        ["/bin/sh", "-c", f'{lines}\nprintf %s "$PATH"'], capture_output=True, text=True, check=True
    )
    assert done.stdout == value
    assert "OTHER" not in lines


def test_flux_env_prints_what_flux_sets() -> None:
    lines = flux("env", FLUX_URI="local:///x", MINE="1", FLUX_PYTHONPATH_PREPEND="/pp").splitlines()
    assert all(line.startswith("export ") for line in lines)
    names = [line.removeprefix("export ").partition("=")[0] for line in lines]
    assert {"FLUX_URI", "FLUX_EXEC_PATH", "LUA_PATH", "LUA_CPATH", "MANPATH", "PATH"} <= set(names)
    assert "MINE" not in names
    assert names == sorted(names)
    assert f'export PYTHONPATH="/pp:{install.PYTHON}"' in lines
    assert 'export FLUX_URI="local:///x"' in lines


def test_flux_env_takes_assignments_as_env_does() -> None:
    assert flux("env", "A=1", "B=x y", "printenv", "A", "B") == "1\nx y\n"
    assert 'export A="1"' in flux("env", "A=1").splitlines()


def test_every_command_has_the_environment(tmp_path: pathlib.Path) -> None:
    assert flux("/usr/bin/printenv", "FLUX_MODULE_PATH") == f"{install.MODULES}\n"
    script = tmp_path / "flux-show"
    script.write_text("#!/bin/sh\nprintenv FLUX_CONNECTOR_PATH\n")
    script.chmod(0o755)
    assert flux("show", FLUX_EXEC_PATH=str(tmp_path)) == f"{install.CONNECTORS}\n"
    jobspec = flux("mini", "run", "--dry-run", "true")
    assert f'"FLUX_PMI_LIBRARY_PATH": "{install.PMI_LIBRARY}"' in jobspec


IMPORT = "import flux, flux.job; print(flux.Flux.__module__, flux.job.JobID('f1'))"


def test_flux_python_has_the_packages(tmp_path: pathlib.Path) -> None:
    assert flux("python", "-c", IMPORT, cwd=tmp_path) == "flux.core.handle ƒ1\n"
    assert flux("python", "-c", "import sys; print(sys.argv[1:])", "--", "-h") == "['--', '-h']\n"
    assert flux("python", "-c", "import sys; print(sys.executable)") == f"{sys.executable}\n"


def test_what_python_finds_of_ours_is_flux_only(tmp_path: pathlib.Path) -> None:
    """An interpreter that knows nothing of us finds the package by PYTHONPATH, and leaves its own
    packages in front of those that ours needs.
    """
    code = "import flux.waitstatus as w, sys; print(w.__file__); print(sys.path.index(ROOT))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code.replace("ROOT", repr(install.ROOT))],
        env={"PYTHONPATH": install.PYTHON},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    file, place = done.stdout.split()
    assert file == f"{install.ROOT}/flux/waitstatus.py"
    assert int(place) > 1
    assert sorted({*os.listdir(install.PYTHON)} - {"__pycache__"}) == ["flux.py"]


def test_a_python_command_needs_no_interpreter_line(tmp_path: pathlib.Path) -> None:
    (tmp_path / "flux-one.py").write_text(f"{IMPORT}\n")
    (tmp_path / "flux-one.py").chmod(0o755)
    assert flux("one", FLUX_EXEC_PATH=str(tmp_path)) == "flux.core.handle ƒ1\n"


def test_a_script_without_interpreter_line_is_the_shells(tmp_path: pathlib.Path) -> None:
    (tmp_path / "flux-two").write_text('echo "two $1"\n')
    (tmp_path / "flux-two").chmod(0o755)
    assert flux("two", "x", FLUX_EXEC_PATH=str(tmp_path)) == "two x\n"


def test_the_search_goes_through_the_path_in_order(tmp_path: pathlib.Path) -> None:
    (tmp_path / "flux-version").write_text("#!/bin/sh\necho mine\n")
    (tmp_path / "flux-version").chmod(0o755)
    assert flux("version", FLUX_EXEC_PATH_PREPEND=str(tmp_path)) == "mine\n"
    nested = flux("env", str(default_flux()), "version", FLUX_EXEC_PATH_PREPEND=str(tmp_path))
    assert nested == "mine\n"
    assert flux("version", FLUX_EXEC_PATH=str(tmp_path)).startswith("commands:")


def test_commands_are_found_where_programs_are_after_all_others(tmp_path: pathlib.Path) -> None:
    for name in ("version", "three"):
        (tmp_path / f"flux-{name}.py").write_text(f"print('{name}')\n")
    path = f":{tmp_path}:{os.environ['PATH']}"
    assert flux("three", PATH=path) == "three\n"
    assert flux("version", PATH=path).startswith("commands:")
