"""``io.popen`` for scripts: lupa's Lua is built without it, and what sites have asks other programs
(``id -Gn``, ``sacctmgr``).

The files are Lua's own, so that everything that can be done with a file can be done with them.
"""

from __future__ import annotations

import os
import subprocess
from typing import Final, Protocol

LARGEST: Final = 256
"""Programs whose end is remembered for scripts that have not closed their files."""

_CODE: Final = b"""
local start, started, ended = ...
local open, close, kind = io.open, io.close, io.type
local methods = getmetatable(io.stdout).__index
local close_file = methods.close
local programs = setmetatable({}, {__mode = "k"})

function io.popen(command, mode)
  command = tostring(command)
  mode = mode or "r"
  if mode ~= "r" and mode ~= "w" then
    error("bad argument #2 to 'popen' (invalid mode)", 2)
  end
  local number, place, problem = start(command, mode)
  if not number then
    return nil, command .. ": " .. problem, place
  end
  local file, why, code = open(place, mode)
  started(number)
  if file then
    programs[file] = number
  end
  return file, why, code
end

methods.close = function(file)
  local number = programs[file]
  if number == nil or kind(file) ~= "file" then
    return close_file(file)
  end
  programs[file] = nil
  close_file(file)
  local how, code = ended(number)
  if _VERSION == "Lua 5.1" then
    return true
  end
  if how == "exit" and code == 0 then
    return true, how, code
  end
  return nil, how, code
end

function io.close(file)
  if file == nil then
    return close()
  end
  return file:close()
end
"""


class Executes(Protocol):
    """A Lua."""

    def execute(self, code: bytes, *args: object) -> object:
        """Run code with arguments."""


class Pipes:
    """The programs that scripts of one Lua have started."""

    def __init__(self) -> None:
        self._programs: dict[int, subprocess.Popen[bytes]] = {}
        self._ours: dict[int, int] = {}
        self._count = 0

    def start(self, command: bytes, mode: bytes) -> tuple[object, object, object]:
        """Start a command of the shell; returns its number and the path of the pipe, or nil, an
        error number and a text.
        """
        for number in [it for it, program in self._programs.items() if program.poll() is not None]:
            if len(self._programs) > LARGEST:
                del self._programs[number]
        read, write = os.pipe()
        ours, theirs = (read, write) if mode == b"r" else (write, read)
        try:
            program = subprocess.Popen(
                ["/bin/sh", "-c", command],
                stdin=theirs if mode == b"w" else subprocess.DEVNULL,
                stdout=theirs if mode == b"r" else None,
            )
        except (OSError, ValueError) as exc:
            os.close(ours)
            code = exc.errno if isinstance(exc, OSError) else 0
            return None, code, str(exc).encode()
        finally:
            os.close(theirs)
        self._count += 1
        self._programs[self._count], self._ours[self._count] = program, ours
        return self._count, f"/dev/fd/{ours}".encode(), None

    def started(self, number: int) -> None:
        """Close our end of a pipe, which Lua has opened for itself."""
        os.close(self._ours.pop(number))

    def ended(self, number: int) -> tuple[bytes, int]:
        """Wait for the end of a program; returns how it ended, as Lua calls it, and the code or
        signal.
        """
        program = self._programs.pop(number, None)
        code = program.wait() if program is not None else 0
        return (b"signal", -code) if code < 0 else (b"exit", code)


def add_pipes(lua: Executes) -> None:
    """Give a Lua its ``io.popen``."""
    pipes = Pipes()
    lua.execute(_CODE, pipes.start, pipes.started, pipes.ended)
