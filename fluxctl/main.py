"""The ``flux`` command: finds the sub-command, runs it, turns failures into one sentence and an
exit code (flux(1)).
"""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn

from flux import install
from flux.core.attributes import attribute_of
from fluxctl.abbreviations import candidates
from fluxctl.environment import prepare
from fluxctl.table import COMMANDS

USAGE = """\
Usage: flux [OPTIONS] COMMAND ARGS
  -h, --help             Display this message.
  -v, --verbose          Be verbose about environment and command search
  -V, --version          Display command and component versions
  -p, --parent           Set environment of parent instead of current instance
  -r, --root             Set environment of root instead of current instance

"""

GARBAGE_THRESHOLD = 20_000
"""New objects before the first search for garbage: most commands make fewer, and what they import
is none (docs/decisions/start-up.md).
"""

_FORESEEN: tuple[tuple[type[Exception], str], ...] = (
    (MemoryError, "not enough memory"),
    (RecursionError, "an argument or answer is nested too deeply"),
    (UnicodeError, "an argument is not valid UTF-8"),
)


def usage() -> str:
    """Return what ``flux help`` prints."""
    from fluxctl.command_list import command_list

    return USAGE + command_list()


def main(argv: list[str] | None = None) -> NoReturn:
    """Run ``flux`` with the arguments of the process and exit."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    from fluxctl import streams

    args = list(sys.argv[1:] if argv is None else argv)
    try:
        streams.prepare()
        code = _complete() if "_FLUX_COMPLETE" in os.environ else run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        from flux.waitstatus import INTERRUPTED

        code = INTERRUPTED
    except BrokenPipeError:
        from flux.waitstatus import BROKEN_PIPE

        code = BROKEN_PIPE
        streams.discard_output()
    except streams.OutputError as exc:
        code = 1
        streams.discard_output()
        sys.stderr.write(f"flux: standard output: {exc}\n")
    except Exception as exc:
        if "FLUX_TRACEBACK" in os.environ:
            raise
        code = _unexpected(exc)
    if argv is None:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> None:
    """End the process without taking the interpreter apart, which takes longer than many commands.

    Only when nothing is left that wants to see the end: a second thread, a profiler, a debugger.
    """
    import atexit

    threading = sys.modules.get("threading")
    alone = threading is None or threading.active_count() == 1
    if not alone or sys.getprofile() is not None or sys.gettrace() is not None:
        return
    try:
        atexit._run_exitfuncs()  # noqa: SLF001 - what the usual way out runs has no other name
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:
        return  # the usual way out reports it
    os._exit(code)


def _complete() -> int:
    from fluxctl.completion import complete

    return complete(os.environ["_FLUX_COMPLETE"])


def _unexpected(exc: Exception) -> int:
    """Report an error that no command foresaw; FLUX_TRACEBACK in the environment shows where it
    came from.
    """
    import contextlib

    with contextlib.suppress(Exception):
        sys.stdout.flush()
    text = next((text for kind, text in _FORESEEN if isinstance(exc, kind)), "")
    text = text or f"internal error: {type(exc).__name__}: {exc}"
    from flux.terminal_text import terminal_line

    sys.stderr.write(f"flux: {terminal_line(' '.join(text.split()))}\n")
    return 1


LONG_OPTIONS = {
    "--help": "h",
    "--version": "V",
    "--verbose": "v",
    "--parent": "p",
    "--root": "r",
}


class _Usage(Exception):
    """A word before the sub-command that is no option of ``flux``; the text says why."""


def _letters(word: str) -> str:
    """Return the short options that a word of the command line stands for: ``-pv``, ``--par``."""
    if not word.startswith("--"):
        unknown = word.strip("-hVvpr") if len(word) > 1 else word
        if unknown:
            raise _Usage(f"unrecognized option '{'-' + unknown[0] if word != '-' else word}'")
        return word[1:]
    found = candidates(word, LONG_OPTIONS)
    if len(found) > 1:
        names = " ".join(f"'{name}'" for name in found)
        raise _Usage(f"option '{word}' is ambiguous; possibilities: {names}")
    if not found:
        raise _Usage(f"unrecognized option '{word}'")
    return LONG_OPTIONS[found[0]]


def _take_options(args: list[str]) -> str:
    """Remove the options before the sub-command and return their letters in order; ``-V`` becomes
    the sub-command ``version``.
    """
    letters = ""
    while args and args[0].startswith("-"):
        word = args.pop(0)
        if word == "--":
            break
        letters += _letters(word)
        if "V" in letters and "h" not in letters:
            args.insert(0, "version")
            break
    return letters


def run(args: list[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        letters = _take_options(args)
    except _Usage as exc:
        sys.stderr.write(f"flux: {exc}\nTry `flux --help' for more information.\n")
        return 1
    prepare()
    if "h" in letters:
        sys.stderr.write(usage())
        return 0
    for _ in range(letters.count("p")):
        code = _enter_parent()
        if code:
            return code
    if "r" in letters:
        code = _enter_root()
        if code:
            return code
    if not args:
        sys.stderr.write(usage())
        return 1
    if "v" in letters:
        _show_environment(args[0])
    return _dispatch(args[0], args[1:], letters.count("v"))


def _dispatch(name: str, rest: list[str], verbose: int) -> int:
    if "/" in name:
        return _execute(name, rest, name)
    if name == "help" and not rest:
        sys.stderr.write(usage())
        return 0
    for folder in os.environ["FLUX_EXEC_PATH"].split(":"):
        if folder == install.COMMANDS and name in COMMANDS:
            return invoke(name, rest)
        file = _search(name, folder, verbose)
        if file is not None:
            return _execute(file, rest, name)
    # Programs that add a command are installed beside others.
    for folder in filter(None, os.environ.get("PATH", "").split(":")):
        file = _search(name, folder, verbose)
        if file is not None:
            return _execute(file, rest, name)
    hint = _suggestion(name)
    sys.stderr.write(f"flux: `{name}' is not a flux command.  See 'flux --help'{hint}\n")
    return 1


def _suggestion(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, list(COMMANDS), n=1, cutoff=0.75)
    return f"\nflux: did you mean '{near[0]}'?" if near else ""


def _search(name: str, folder: str, verbose: int) -> str | None:
    """Return the file in a directory that ``flux NAME`` runs."""
    for candidate in (f"flux-{name}", f"flux-{name}.py"):
        file = os.path.join(folder, candidate)
        if verbose:
            sys.stderr.write(f"sub-command search: trying {file}\n")
        if os.path.isfile(file) and (os.access(file, os.X_OK) or file.endswith(".py")):
            return file
    return None


def _execute(file: str, args: list[str], name: str) -> int:
    """Become a file: a Python program by our interpreter, a script that names none by the shell."""
    try:
        if file.endswith(".py") and "/" not in name:
            os.execv(sys.executable, [sys.executable, file, *args])
        os.execv(file, [file, *args])
    except FileNotFoundError:
        sys.stderr.write(f"flux: `{name}' is not a flux command.  See 'flux --help'\n")
        return 1
    except OSError as exc:
        import errno

        if exc.errno == errno.ENOEXEC:
            os.execv("/bin/sh", ["/bin/sh", file, *args])
        sys.stderr.write(f"flux: {name}: {exc.strerror}\n")
        from flux.waitstatus import NOT_EXECUTABLE

        return NOT_EXECUTABLE


def _show_environment(name: str) -> None:
    from fluxctl.environment import SHOWN

    for key in sorted({*SHOWN, *(key for key in os.environ if key.startswith("FLUX_"))}):
        if key in os.environ:
            sys.stderr.write(f"{key}={os.environ[key]}\n")
    sys.stderr.write(f"sub-command {name}\n")


def _enter_parent() -> int:
    """Make the enclosing instance the current one."""
    from flux.core.handle import Flux

    try:
        handle = Flux()
        uri = attribute_of(handle, "parent-uri")
        namespace = attribute_of(handle, "parent-kvs-namespace")
        handle.close()
    except OSError as exc:
        sys.stderr.write(f"flux: flux_open: {exc.strerror}\n")
        return 1
    if not uri:
        return 0
    os.environ["FLUX_URI"] = uri
    if namespace:
        os.environ["FLUX_KVS_NAMESPACE"] = namespace
    else:
        os.environ.pop("FLUX_KVS_NAMESPACE", None)
    return 0


def _enter_root() -> int:
    """Make the outermost of the enclosing instances the current one."""
    before: str | None = ""
    while os.environ.get("FLUX_URI") != before:
        before = os.environ.get("FLUX_URI")
        code = _enter_parent()
        if code:
            return code
    return 0


def invoke(name: str, args: list[str]) -> int:
    """Run a built-in sub-command and return its exit code."""
    from click.exceptions import Abort, ClickException, Exit

    from fluxctl.errors import CommandError, ReaderGone

    command = COMMANDS[name].load()
    try:
        with command.make_context(f"flux {name}", args) as ctx:
            result = command.invoke(ctx)
        return result if isinstance(result, int) else 0
    except CommandError as exc:
        return _fail(name, exc.message, exc.code, exc.bare, exc.hint)
    except Exit as exc:
        return exc.exit_code
    except Abort:
        from flux.waitstatus import INTERRUPTED

        return INTERRUPTED
    except ClickException as exc:
        return _fail(name, exc.format_message(), 1, False)
    except ReaderGone:
        raise  # an OSError too, but main() ends without a word for it
    except OSError as exc:
        return _fail(name, exc.strerror or str(exc), 1, False)


def _fail(name: str, message: str, code: int, bare: bool, hint: str = "") -> int:
    sys.stdout.flush()
    lines = [message if bare else f"flux-{name}: {message}"] if message else []
    if hint:
        lines.append(f"flux-{name}: {hint}")
    if lines:
        from flux.terminal_text import terminal_text

        sys.stderr.write(terminal_text("\n".join(lines)) + "\n")
    return code
