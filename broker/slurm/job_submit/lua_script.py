"""A site's ``job_submit.lua``, run by real Lua through the library lupa.

The file is read again when it has changed; if it cannot be used then, the script before it stays
in use and the log says why, as slurmctld does it. Text of Lua is bytes: it is decoded and encoded
as the names of files are, so that every byte goes both ways.
"""

from __future__ import annotations

import copy
import errno
import importlib
import os
from typing import TYPE_CHECKING, Final, Protocol, cast

from broker.slurm.job_submit.kinds import WrongType, number_text
from broker.slurm.job_submit.lua_pipes import add_pipes
from broker.slurm.job_submit.lua_text import PRELUDE
from broker.slurm.job_submit.lua_version import hint_of
from broker.slurm.job_submit.minutes import minutes_of
from broker.slurm.job_submit.names import slurm_constants
from broker.slurm.job_submit.reading import command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from broker.slurm.job_submit.job_desc import JobDesc, JobRec
    from broker.slurm.job_submit.kinds import Value
    from broker.slurm.job_submit.partitions import Partition
    from broker.slurm.job_submit.surroundings import Surroundings
    from broker.slurm.job_submit.talk import Talk

LuaValue = bytes | int | float | bool | None
Outcome = tuple[bool, object, bool]
"""Whether a function returned, what it returned or raised, whether it went over its limit."""

FUNCTIONS: Final = (("slurm_job_submit", "job_submit"), ("slurm_job_modify", "job_modify"))
"""What a script has to define: the name, and the one that the manual has."""
EXACT: Final = 1 << 53
"""Integers up to this are exact in Lua 5.1."""
MAX_MEMORY: Final = 1 << 28
"""Bytes that a script may take; what needs more is an error in it."""
MODULES: Final = (
    "/usr/share/lua/{version}/?.lua",
    "/usr/share/lua/{version}/?/init.lua",
    "/usr/local/share/lua/{version}/?.lua",
)
LIBRARIES: Final = (
    "/usr/lib/{machine}-linux-gnu/lua/{version}/?.so",
    "/usr/lib64/lua/{version}/?.so",
    "/usr/lib/lua/{version}/?.so",
)
"""Where distributions have what scripts ``require``."""


class LuaState(Protocol):
    """What is used of lupa's runtime."""

    def execute(self, code: str | bytes, *args: object) -> object:
        """Run Lua code with arguments and return its result."""

    def table_from(self, value: object) -> object:
        """Return a Lua table with the members of a mapping or a list."""


class ScriptSettings(Protocol):
    """What `LuaScript` is told: a path, a version of Lua, instructions that one call may take, the
    name of the cluster, whether errors of the script refuse jobs.
    """

    @property
    def script(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def instruction_limit(self) -> int: ...
    @property
    def cluster(self) -> str: ...
    @property
    def refuses(self) -> bool: ...


def text_of(value: object) -> str:
    """Return text of Lua, or a number, as text, up to a NUL as slurmctld reads it."""
    if isinstance(value, bytes):
        return value.partition(b"\0")[0].decode("utf-8", "surrogateescape")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_text(value)
    return "(null)"


def lua_value(value: Value) -> LuaValue:
    """Return a value for Lua."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, int) and not -EXACT <= value <= EXACT:
        return float(value)
    return value


def new_runtime(version: str) -> LuaState:
    """Return a Lua of a version that lupa has, such as ``5.1`` or ``luajit21``; raises
    OSError(ENOENT) if there is none.
    """
    name = version if version.startswith("luajit") else f"lua{version.replace('.', '')}"
    try:
        module = importlib.import_module(f"lupa.{name}")
    except ImportError:
        text = f"there is no Lua {version}: it takes the Python package lupa (fluxctl[lua])"
        raise OSError(errno.ENOENT, text) from None
    bounds = {} if version.startswith("luajit") else {"max_memory": MAX_MEMORY}
    runtime: LuaState = module.LuaRuntime(
        encoding=None,
        unpack_returned_tuples=True,
        register_eval=False,
        register_builtins=False,
        **bounds,
    )
    _add_paths(runtime)
    add_pipes(runtime)
    return runtime


def _add_paths(runtime: LuaState) -> None:
    number = text_of(runtime.execute(b"return _VERSION:match('%d%.%d')"))
    words = {"version": number, "machine": os.uname().machine}
    for name, places in (("path", MODULES), ("cpath", LIBRARIES)):
        more = ";".join(place.format(**words) for place in places)
        code = f"package.{name} = package.{name} .. ';' .. ..."
        runtime.execute(code.encode(), more.encode())


class LoadedScript:
    """One version of a script, in a Lua of its own."""

    def __init__(self, code: bytes, settings: ScriptSettings, bridge: LuaFunctions) -> None:
        self._limit = settings.instruction_limit
        lua = new_runtime(settings.version)
        functions = {name.encode(): getattr(bridge, name) for name in LuaFunctions.FUNCTIONS}
        constants = {name.encode(): lua_value(it) for name, it in slurm_constants().items()}
        loading, has, self._submit, self._modify = cast(
            "tuple[Callable[..., object], ...]",
            lua.execute(
                PRELUDE.encode(),
                lua.table_from(functions),
                lua.table_from(constants),
                settings.cluster.encode(),
            ),
        )
        ok, result, spent = cast("Outcome", loading(self._limit, code, b"@" + _path(settings)))
        if spent:
            raise UnusableScript(over_limit(self._limit))
        if not ok:
            raise UnusableScript(f"{text_of(result)}{hint_of(code, settings.version)}")
        missing = [names[0] for names in FUNCTIONS if not has(*(it.encode() for it in names))]
        if missing:
            raise UnusableScript(f"missing required function {' and '.join(missing)}", missing)
        if isinstance(result, int | float) and not isinstance(result, bool) and result != 0:
            raise UnusableScript(f"returned {number_text(result)} on load")

    def submit(self, draft: JobDesc, userid: int) -> Outcome:
        """Call the script's function for a submission."""
        return cast("Outcome", self._submit(self._limit, draft, userid))

    def modify(self, draft: JobDesc, record: JobRec, userid: int) -> Outcome:
        """Call the script's function for a change."""
        return cast("Outcome", self._modify(self._limit, draft, record, userid))


class UnusableScript(Exception):
    """A script cannot be used; the text says why, ``missing`` are the functions it lacks."""

    def __init__(self, text: str, missing: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.missing = missing


def _path(settings: ScriptSettings) -> bytes:
    return os.fsencode(settings.script)


def over_limit(limit: int) -> str:
    """Return the sentence about a script that does not come to an end."""
    return f"took more than {limit} instructions"


class LuaFunctions:
    """The functions that Lua calls, under the names in ``FUNCTIONS``.

    What Lua gets is new each time: when lupa is given an object again whose first userdata Lua has
    just collected, Lua may find another object behind it.
    """

    FUNCTIONS: Final = (
        *("job_count", "job_at", "get", "set", "log", "tell", "minutes", "word"),
        *("variable", "set_variable", "part_count", "part_at", "part"),
    )

    def __init__(self, talk: Talk, surroundings: Surroundings) -> None:
        self._talk = talk
        self._surroundings = surroundings
        self._missed: set[str] = set()

    def job_count(self) -> int:
        """Return how many jobs are active."""
        return len(self._surroundings.jobs())

    def job_at(self, index: int) -> JobRec:
        """Return an active job, counted from 1."""
        return copy.copy(self._surroundings.jobs()[index - 1])

    def get(self, job: JobDesc, name: object) -> LuaValue:
        """Return a field; one that no version of Slurm has is told once."""
        if not isinstance(name, bytes):
            return None
        text = text_of(name)
        value = job.get(text)
        if value is None:
            self._miss(job, text)
        return lua_value(value)

    def _miss(self, job: JobDesc, name: str) -> None:
        if name not in self._missed and not job.knows(name):
            self._missed.add(name)
            self._talk.say(0, f"job_submit/lua: there is no field {name}: it is nil")

    def set(self, job: JobDesc, name: object, value: object, kind: object) -> bytes | None:
        """Assign a field; returns what is wrong with the value's type, None if nothing is."""
        if isinstance(value, bytes):
            value = text_of(value)
        elif kind is not None:
            value = _Foreign(text_of(kind))
        text = text_of(name)
        try:
            if not job.set(text, value):
                self._talk.say(-2, f"_set_job_field: unrecognized field: {text}")
        except WrongType as exc:
            wrong = str(exc)
            if isinstance(value, _Foreign):
                wrong = wrong.replace("userdata", value.kind)
            return wrong.encode()
        return None

    def log(self, level: object, text: object) -> None:
        """Log a line."""
        number = int(level) if isinstance(level, int | float) else 0
        prefix = "" if number == -2 else "lua: "
        self._talk.say(number, f"{prefix}{text_of(text)}")

    def tell(self, text: object) -> None:
        """Tell the user something."""
        self._talk.tell(text_of(text))

    def minutes(self, text: object) -> int:
        """Return the minutes of a time limit."""
        return minutes_of(text_of(text))

    def word(self, job: JobDesc, index: object) -> bytes | None:
        """Return a word of the command."""
        words = command(job)
        return os.fsencode(words[index]) if isinstance(index, int) else None

    def variable(self, job: JobDesc, name: object) -> bytes | None:
        """Return a variable of a job's environment."""
        value = job.environment().get(text_of(name)) if isinstance(name, bytes) else None
        return os.fsencode(value) if isinstance(value, str) else None

    def set_variable(self, job: JobDesc, name: object, value: object) -> None:
        """Set a variable of a job's environment."""
        job.set_variable(text_of(name), text_of(value))

    def part_count(self) -> int:
        """Return how many partitions the submitter may use."""
        return len(self._surroundings.partitions())

    def part_at(self, index: int) -> Partition:
        """Return one of them, counted from 1."""
        return copy.copy(self._surroundings.partitions()[index - 1])

    def part(self, part: Partition, name: object) -> LuaValue:
        """Return a field of a partition."""
        return lua_value(part.get(text_of(name)))


class _Foreign:
    """A value that only Lua has, such as a function."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


class LuaPlugin:
    """The plugin ``lua``: a script and the version of it in use."""

    name = "lua"

    def __init__(self, settings: ScriptSettings, talk: Talk, surroundings: Surroundings) -> None:
        self.file = settings.script
        self._settings = settings
        self._talk = talk
        self._bridge = LuaFunctions(talk, surroundings)
        self._stamp: object = None
        try:
            code = self._read()
            self._script = LoadedScript(code, settings, self._bridge)
        except UnusableScript as exc:
            raise OSError(errno.EINVAL, str(exc)) from None

    def _read(self) -> bytes:
        with open(self._settings.script, "rb") as file:
            self._stamp = _stamp_of(os.fstat(file.fileno()))
            code = file.read()
        # Lua's loadfile, which slurmctld uses, leaves out a first line such as "#!/usr/bin/lua".
        return b"--" + code if code.startswith(b"#") else code

    def refresh(self) -> None:
        """Take the script as it is now in its file, or keep the one before and say why."""
        path, stamp = self._settings.script, self._stamp
        try:
            now: object = _stamp_of(os.stat(path))
        except OSError as exc:
            self._stamp = exc.errno
            if stamp != exc.errno:
                text = f"Unable to stat {path}, using old script: {exc.strerror}"
                self._talk.say(-1, f"job_submit/lua: {text}")
            return
        if now == stamp:
            return
        try:
            self._script = LoadedScript(self._read(), self._settings, self._bridge)
        except (UnusableScript, OSError) as exc:
            self._stamp = now
            self._tell_why(path, exc)

    def _tell_why(self, path: str, error: UnusableScript | OSError) -> None:
        """Say why a script is not taken, in the words of slurmctld."""
        missing = error.missing if isinstance(error, UnusableScript) else ()
        for name in missing:
            self._talk.say(-1, f"job_submit/lua: {path}: missing required function {name}")
        why = error.strerror if isinstance(error, OSError) else str(error)
        if missing:
            why = "required function(s) not present"
        self._talk.say(-1, f"job_submit/lua: {path}: {why}, using previous script")

    def submit(self, draft: JobDesc, userid: int) -> int:
        """Return what the script returned for a submission; raises OSError if it refuses by its
        errors.
        """
        self.refresh()
        return self._concluded(self._script.submit(draft, userid), "job_submit")

    def modify(self, draft: JobDesc, record: JobRec, userid: int) -> int:
        """Return what the script returned for a change."""
        self.refresh()
        return self._concluded(self._script.modify(draft, record, userid), "job_modify")

    def _concluded(self, outcome: Outcome, function: str) -> int:
        ok, result, spent = outcome
        path = self._settings.script
        if spent:
            text = f"{path}: {over_limit(self._settings.instruction_limit)}"
            self._talk.say(-1, f"{function}/lua: {text}")
            raise OSError(errno.ETIMEDOUT, f"{function}/lua: {text}")
        if not ok:
            return self._failed(function, f"{path}: {text_of(result)}")
        if isinstance(result, bytes):
            try:
                result = float(result)
            except ValueError:
                result = None
        if not isinstance(result, int | float) or isinstance(result, bool):
            said = f"{function}/lua: {path}: non-numeric return code"
            self._talk.say(0, f"{function}/lua: {function}: {said}")
            return self._unclear(function, f"{path}: non-numeric return code")
        return int(result) if -(1 << 31) <= result < 1 << 31 else -(1 << 31)

    def _failed(self, function: str, text: str) -> int:
        self._talk.say(-1, f"{function}/lua: {text}")
        return self._unclear(function, text)

    def _unclear(self, function: str, text: str) -> int:
        """Decide about a job that the script came to no decision about; users are told the first
        line.
        """
        text = text.partition("\n")[0].rstrip(":")
        if self._settings.refuses:
            raise OSError(errno.EINVAL, f"{function}/lua: {text}")
        self._talk.tell(f"{function}/lua: {text}: the job is taken as it is")
        return 0


def _stamp_of(status: os.stat_result) -> tuple[int, ...]:
    """Return what changes when a file is written or replaced."""
    return status.st_mtime_ns, status.st_size, status.st_ino
