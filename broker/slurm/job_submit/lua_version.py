"""Which version of Lua a script is for that the configured one does not understand."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

VERSIONS: Final = ("5.1", "5.2", "5.3", "5.4")
"""Versions of Lua, the later of which understand more."""
_SECONDS: Final = 10.0
_PROGRAM: Final = """
import importlib, sys
code = sys.stdin.buffer.read()
for version in sys.argv[1:]:
    try:
        module = importlib.import_module(f"lupa.lua{version.replace('.', '')}")
    except ImportError:
        continue
    lua = module.LuaRuntime(encoding=None, register_eval=False, register_builtins=False)
    if lua.execute(b"return (loadstring or load)(...) ~= nil", code):
        print(version)
        break
"""


def hint_of(code: bytes, version: str) -> str:
    """Return a note for a script that is no Lua of one version, but is of a later one, such as one
    with ``goto``; empty if that is not what is wrong with it.

    Another process looks at the script, for a process can have one Lua that shares its names.
    """
    if version not in VERSIONS:
        return ""
    argv = [sys.executable, "-c", _PROGRAM, *VERSIONS[VERSIONS.index(version) :]]
    try:
        done = subprocess.run(argv, input=code, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = done.stdout.decode().strip()
    return f' (it is Lua {found}: version = "{found}")' if found not in ("", version) else ""
