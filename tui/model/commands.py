"""What can be typed after ``:``: commands of the dashboard, views, own commands, and any
sub-command of ``flux``.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final, NamedTuple

from flux.job.query.completion import complete as complete_query
from flux.job.query.fields import nearest
from tui.model.columns import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


class Verb(NamedTuple):
    """A command of the dashboard: ``argument`` says what follows it, ``kind`` what that may be."""

    name: str
    argument: str
    summary: str
    kind: str = ""

    def check(self, rest: str) -> None:
        """Raise ValueError, with how it is written, if ``rest`` has to be there and is not, or is
        there and has not to be.
        """
        optional = self.argument.startswith("[") and self.argument.endswith("]")
        if bool(self.argument) != bool(rest) and not optional:
            raise ValueError(f"it is written :{f'{self.name} {self.argument}'.strip()}")


VERBS: Final[dict[str, Verb]] = {
    verb.name: verb
    for verb in (
        Verb("help", "", "List all keys of this screen"),
        Verb("filter", "QUERY", "Show the jobs that match", "query"),
        Verb("mark", "QUERY", "Mark the jobs that match", "query"),
        Verb("unmark", "", "Unmark all jobs"),
        Verb("sort", "[-]COLUMN", "Sort the jobs, by - in the other order", "column"),
        Verb(
            "columns", "[FORMAT]", "Show these columns, as flux jobs -o; the usual without", "field"
        ),
        Verb("group", "on|off", "Show sets of like jobs as one line, or every job", "switch"),
        Verb("view", "NAME", "Look at the jobs as a saved view says", "view"),
        Verb("save-view", "NAME", "Save filter, order and columns in the settings", "view"),
        Verb("theme", "NAME", "Change the colours", "theme"),
        Verb("set", "SETTING VALUE", "Change a setting until the end", "setting"),
        Verb("reload", "", "Read the settings again"),
        Verb("tell", "[QUERY]", "Tell when the marked jobs end, or those that match", "query"),
        Verb("export", "FORMAT FILE", "Write the table: csv, jsonl, or the screen: svg", "format"),
        Verb("copy", "WHAT", "Copy of the job: id, row, command", "copy"),
        Verb("instance", "URI", "Open another instance in a tab"),
        Verb("run", "NAME", "Run one of your own commands", "own"),
        Verb("flux", "COMMAND", "Run a flux sub-command; its name alone will do", "flux"),
        Verb("quit", "", "End the dashboard"),
    )
}

FORMATS: Final = ("csv", "jsonl", "svg")
COPIES: Final = ("id", "row", "command")
SETTINGS: Final = (
    "theme", "read-only", "sort", "query", "submit", "notify.message", "notify.bell",
    "notify.desktop", "notify.command", "notify.failures", "notify.every",
)  # fmt: skip
"""Settings that can be changed while the dashboard runs."""

READERS: Final = frozenset(
    tuple(words.split())
    for words in (
        "jobs", "dmesg", "getattr", "lsattr", "ping", "uri", "version", "help", "priority",
        "uptime", "pstree", "watch",
        "archive list", "config get", "content load", "cron list", "cron dump", "event sub",
        "hwloc info", "hwloc topology", "job eventlog", "job id", "job info", "job list",
        "job list-ids", "job list-inactive", "job namespace", "job stats", "job status",
        "job wait-event", "jobtap list", "kvs dir", "kvs eventlog get",
        "kvs eventlog wait-event", "kvs get", "kvs getroot", "kvs ls", "kvs namespace list",
        "kvs readlink", "kvs version", "kvs wait", "module list", "module stats",
        "overlay gethostbyrank", "overlay parentof", "overlay status", "queue idle", "queue list",
        "queue status", "resource list", "resource status",
    )
)  # fmt: skip
"""Sub-commands that change nothing: all that a read-only dashboard runs."""
_CHANGING_OPTIONS: Final[Mapping[tuple[str, ...], tuple[str, ...]]] = {
    ("dmesg",): ("-C", "-c", "--clear", "--read-clear"),
    ("module", "stats"): ("-C", "-c", "--clear", "--clear-all"),
}
"""Options by which some of them change something."""

SHARED: Final = frozenset(words[0] for words in READERS)
"""Sub-commands that are run though a view has their name, if anything follows it."""

_INTERACTIVE: Final = frozenset(
    tuple(words.split())
    for words in (
        "alloc", "mini alloc", "start", "proxy", "python", "top", "shell", "broker", "env",
        "job attach", "attach", "help",
    )
)  # fmt: skip
"""Sub-commands that want the terminal for themselves."""


def split(text: str) -> tuple[str, str]:
    """Return the first word of a line and the rest."""
    name, _, rest = text.strip().partition(" ")
    return name, rest.strip()


def unknown(kind: str, word: str, known: Iterable[str]) -> ValueError:
    """Return the error about a word that names nothing of its kind: which word was probably meant,
    else which there are.
    """
    words = list(dict.fromkeys(known))
    near = nearest(word, words)
    if not word:
        return ValueError(f"which {kind}? There are {', '.join(words)}")
    hint = f"did you mean {near}?" if near else f"there are {', '.join(words)}"
    return ValueError(f"no {kind} {word}; {hint}")


def words_of(text: str) -> list[str]:
    """Return the words of a command as a shell takes them; raises ValueError if a quotation is
    open.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ValueError(str(error).lower()) from None


def filled(words: Sequence[str], ids: Sequence[str]) -> list[str]:
    """Return the words with the ids of jobs in the place of ``{id}`` and ``{ids}``: a word that is
    ``{ids}`` becomes one for each.

    Raises ValueError if there are none, or several for ``{id}``.
    """
    found: list[str] = []
    for word in words:
        if "{id}" in word or "{ids}" in word:
            if not ids:
                raise ValueError("no job is chosen")
            if "{id}" in word and len(ids) > 1:
                raise ValueError(f"{len(ids)} jobs are marked: write {{ids}} for all of them")
        if word == "{ids}":
            found.extend(ids)
        else:
            found.append(
                word.replace("{id}", ids[0] if ids else "").replace("{ids}", ",".join(ids))
            )
    return found


def _begins(words: Sequence[str], table: Iterable[tuple[str, ...]]) -> tuple[str, ...] | None:
    plain = tuple(word for word in words if not word.startswith("-"))
    found = [known for known in table if plain[: len(known)] == known]
    return max(found, key=len, default=None)


def reads_only(words: Sequence[str]) -> bool:
    """Tell whether a sub-command of ``flux`` is known to change nothing."""
    if not words or words[0].startswith("-"):
        return False
    known = _begins(words, READERS)
    # Options before the name of a sub-command may take it for their value.
    if known is None or tuple(words[: len(known)]) != known:
        return False
    return not any(_means_one_of(word, _CHANGING_OPTIONS.get(known, ())) for word in words)


def _means_one_of(word: str, options: Sequence[str]) -> bool:
    """Tell whether a word is one of some options, or may be: long ones can be shortened, short ones
    written together.
    """
    if word.startswith("--"):
        return any(option.startswith(word.partition("=")[0]) for option in options)
    return word.startswith("-") and any(
        option[1] in word for option in options if not option.startswith("--")
    )


def is_interactive(words: Sequence[str]) -> bool:
    """Tell whether a sub-command of ``flux`` wants the terminal for itself."""
    return _begins(words, _INTERACTIVE) is not None and not {"-h", "--help"} & set(words)


def complete(
    text: str, names: Mapping[str, Iterable[str]], values: Callable[[str], Iterable[str]]
) -> tuple[int, list[str]] | None:
    """Return where the word at the end of a line begins, and what it may become.

    ``names`` has the words of each kind that the application knows, and under ``""`` names that a
    line may begin with, beside those of `VERBS`; ``values`` is as for completing queries. None is
    returned for a sub-command of ``flux``, whose words it knows itself.
    """
    begun = text.lstrip()
    lead = len(text) - len(begun)
    if " " not in begun:
        known = dict.fromkeys((*VERBS, *names.get("", ())))
        return lead, [name for name in known if name.startswith(begun)]
    verb = VERBS.get(begun.split(" ", 1)[0])
    if verb is None or verb.kind == "flux":
        return None
    if verb.kind == "query":
        start = text.index(" ", lead) + 1
        done = complete_query(text[start:], len(text) - start, values)
        return start + done.start, done.choices
    start = text.rindex(" ") + 1
    known_words: Iterable[str] = {
        "column": (*BY_NAME, *(f"-{name}" for name in BY_NAME)),
        "setting": SETTINGS,
        "format": FORMATS,
        "copy": COPIES,
        "switch": ("on", "off"),
        "field": [f"{{{name}}}" for name in BY_NAME],
    }.get(verb.kind, names.get(verb.kind, ()))
    if len(begun.split(" ")) > 2 and verb.kind != "field":
        known_words = ()
    return start, [word for word in known_words if word.startswith(text[start:])]
