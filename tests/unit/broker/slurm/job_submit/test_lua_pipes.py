"""``io.popen`` of scripts: each Lua in a process of its own, as in the broker's child."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("lupa", reason="Lua is run by the package lupa")

if TYPE_CHECKING:
    import pathlib

VERSIONS = ["5.1", "5.2", "5.3", "5.4", "luajit21"]
PROGRAM = """
import sys
from broker.slurm.job_submit.lua_script import new_runtime
version, code, *words = sys.argv[1:]
print(new_runtime(version).execute(code.encode(), *map(str.encode, words)))
"""


def execute(version: str, code: str, *words: str) -> object:
    """Return what a Lua of this version returns."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, version, code, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: object = ast.literal_eval(done.stdout)
    return result


@pytest.mark.parametrize("version", VERSIONS)
def test_a_script_reads_what_a_program_prints(version: str) -> None:
    code = r"""
    local file = io.popen("echo one; echo two")
    assert(io.type(file) == "file")
    local first, rest = file:read("*l"), file:read("*a")
    assert(file:close())
    assert(io.type(file) == "closed file")
    local words = {}
    for line in io.popen("printf 'a\nb\n'"):lines() do words[#words + 1] = line end
    return first .. "|" .. rest .. "|" .. table.concat(words, ",")
    """
    assert execute(version, code) == b"one|two\n|a,b"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_script_writes_to_a_program(version: str, tmp_path: pathlib.Path) -> None:
    place = tmp_path / "written"
    code = "local file = io.popen(..., 'w'); file:write('hello'); io.close(file)"
    assert execute(version, code, f"cat > {place}") is None
    assert place.read_text() == "hello"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("exit 3", (None, b"exit", 3)),
        ("kill -9 $$", (None, b"signal", 9)),
        ("true", (True, b"exit", 0)),
    ],
)
def test_the_end_of_a_program_is_told_as_lua_does(command: str, told: object) -> None:
    assert execute("5.4", "return io.popen(...):close()", command) == told
    assert execute("5.1", "return io.popen(...):close()", command) is True


def test_files_of_other_kinds_close_as_before(tmp_path: pathlib.Path) -> None:
    code = """
    local place = ...
    local file = io.open(place, "w")
    file:write("x")
    assert(file:close() == true)
    assert(not pcall(function() file:close() end))
    assert(not pcall(io.popen, "true", "x"))
    io.output(place)
    io.write("y")
    return io.close()
    """
    assert execute("5.4", code, str(tmp_path / "file")) is True
    assert (tmp_path / "file").read_text() == "y"


def test_many_programs_leave_no_descriptors() -> None:
    code = """
    local function open_files()
      local count = 0
      for _ in io.popen("ls /proc/$PPID/fd"):lines() do count = count + 1 end
      return count
    end
    local before = open_files()
    for _ = 1, 50 do assert(io.popen("echo x"):read("*a") == "x\\n") end
    collectgarbage() collectgarbage()
    return open_files() <= before + 5  -- a pipe that is just being opened may be seen twice
    """
    assert execute("5.4", code) is True
