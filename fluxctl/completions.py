"""What completes the arguments and options of commands: job ids, keys, queues, fields of formats
and the like, as the broker knows them at the moment.

Each function here is a ``shell_complete`` of click: it gets what is typed of a word and returns
what the word may become. Without a broker, or with one that does not answer, nothing completes.
"""

from __future__ import annotations

import errno
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flux.core.attributes import attribute_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import FrameType
    from typing import NoReturn

    import click
    from click.shell_completion import CompletionItem

    from flux.core.handle import Flux

    Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
    Found = Iterable[tuple[str, str]]
    """Words, and what is said of each."""
    Find = Callable[[Flux], Found]

UNFINISHED = "unfinished"
"""The type of a word after which something must follow: no blank is typed after it."""

PATIENCE = 0.8
"""Seconds that the broker gets: who presses Tab does not wait."""

COMPLETED_IDS = 200
"""Jobs of which the ids are offered, of those that are active and of those that have ended."""


def _items(found: Found, start: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [
        CompletionItem(word, type=UNFINISHED if word.endswith((".", ":")) else "plain", help=text)
        for word, text in found
        if word.startswith(start)
    ]


@contextmanager
def _patient() -> Iterator[None]:
    """Raise TimeoutError in a block that takes longer than a person at a keyboard waits."""

    def expired(_signum: int, _frame: FrameType | None) -> NoReturn:
        raise TimeoutError(errno.ETIMEDOUT, "the broker does not answer")

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def _told(find: Find) -> list[tuple[str, str]]:
    """Return what the broker knows; nothing if there is none, or it does not say in time."""
    from flux.core.handle import Flux

    try:
        with _patient(), Flux() as h:
            return list(find(h))
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _asked(find: Find, incomplete: str) -> list[CompletionItem]:
    """Return what the broker knows that begins with what is typed."""
    return _items(_told(find), incomplete)


def _asking(find: Find) -> Complete:
    """Return the completion by words that the broker tells."""

    def complete(
        _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return _asked(find, incomplete)

    return complete


def _listed(complete: Complete) -> Complete:
    """Return the completion of the last word of a comma-separated list, without those before it."""

    def of_list(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        begun, comma, last = incomplete.rpartition(",")
        found = complete(ctx, param, last)
        for item in found:
            item.value = f"{begun}{comma}{item.value}"
        given = begun.split(",")
        return [item for item in found if item.value.rpartition(",")[2] not in given]

    return of_list


def words(known: Callable[[], Iterable[str]]) -> Complete:
    """Return the completion of one of some words."""

    def complete(
        _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return _items([(word, "") for word in known()], incomplete)

    return complete


def word_list(known: Callable[[], Iterable[str]]) -> Complete:
    """Return the completion of a comma-separated list of some words."""
    return _listed(words(known))


def _job_sort_keys(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from flux.job.info import JobInfoFormat

    dash = "-" if incomplete.startswith("-") else ""
    return words(lambda: [dash + name for name in JobInfoFormat.headings])(ctx, param, incomplete)


job_sort_keys = _listed(_job_sort_keys)
"""Fields of jobs, separated by commas, each with a dash before it if one is typed."""


def format_fields(headings: Mapping[str, str]) -> Complete:
    """Return the completion of a format: the field that is being typed, ``{na`` to ``{name}``."""

    def complete(
        _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        before, brace, typed = incomplete.rpartition("{")
        if (incomplete and not brace) or "}" in typed:
            return []
        found = [(f"{before}{{{name}}}", heading) for name, heading in headings.items()]
        return _items(found, incomplete)

    return complete


def job_format_fields(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a format of ``flux jobs``."""
    from flux.job.info_format import JobInfoFormat

    return format_fields(JobInfoFormat.headings)(ctx, param, incomplete)


# Jobs


def _find_jobs(h: Flux) -> Found:
    from flux.constants import FLUX_JOB_STATE_ACTIVE, FLUX_JOB_STATE_INACTIVE
    from flux.job.JobID import id_encode
    from flux.job.state_names import status_name
    from flux.wire.message import USERID_UNKNOWN

    for states in (FLUX_JOB_STATE_ACTIVE, FLUX_JOB_STATE_INACTIVE):
        request = {
            "max_entries": COMPLETED_IDS,
            "attrs": ["name", "state", "result"],
            "userid": USERID_UNKNOWN,
            "states": states,
            "results": 0,
        }
        for job in h.rpc("job-list.list", request).get()["jobs"]:
            status = status_name(job["state"], job.get("result"), False)
            yield id_encode(job["id"], "f58"), f"{job.get('name', '')} {status}".strip()


def job_ids(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a job id, the active ones first; an ASCII f stands for the ƒ."""
    begun = "ƒ" + incomplete[1:] if incomplete.startswith("f") else incomplete
    return _asked(_find_jobs, begun)


def uris(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete what names an instance: the id of a job that may be one."""
    return [] if "/" in incomplete else job_ids(ctx, param, incomplete)


def queries(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a query: a field, or a value of its field (docs/queries.md)."""
    from click.shell_completion import CompletionItem

    from flux.job.query.completion import complete
    from flux.job.query.fields import FIELDS

    def values(field: str) -> list[str]:
        if field not in ("queue", "user"):
            return []
        return [name for name, _ in _told(_find_queues if field == "queue" else _find_users)]

    found = complete(incomplete, len(incomplete), values)
    begun = incomplete[: found.start]
    items = []
    for choice in found.choices:
        field = FIELDS.get(choice.rstrip(":"))
        kind = UNFINISHED if choice.endswith(":") else "plain"
        items.append(CompletionItem(begun + choice, type=kind, help=field and field.meaning))
    return items


def _find_users(h: Flux) -> Found:
    from flux.constants import FLUX_JOB_STATE_ACTIVE
    from flux.job.info import get_username
    from flux.wire.message import USERID_UNKNOWN

    request = {
        "max_entries": 1000,
        "attrs": ["userid"],
        "userid": USERID_UNKNOWN,
        "states": FLUX_JOB_STATE_ACTIVE,
        "results": 0,
    }
    found = {job["userid"] for job in h.rpc("job-list.list", request).get()["jobs"]}
    return [(name, "") for name in sorted(map(get_username, found))]


def _find_users_or_all(h: Flux) -> Found:
    return [*_find_users(h), ("all", "everybody")]


def _filters() -> list[str]:
    from flux.job.state_names import RESULT_FILTERS, STATE_FILTERS

    return [*STATE_FILTERS, *RESULT_FILTERS]


def _states() -> list[str]:
    from flux.job.state_names import STATE_FILTERS

    return list(STATE_FILTERS)


def _urgencies() -> list[str]:
    return ["default", "expedite", "hold", *map(str, range(32))]


job_filters = word_list(_filters)
job_states = word_list(_states)
urgencies = words(_urgencies)


# Queues, nodes, modules, attributes, cron entries


def _find_queues(h: Flux) -> Found:
    from flux.queue import queue_names

    return [(name, "") for name in queue_names(h)]


def _find_nodes(h: Flux) -> Found:
    """Return the hosts and the ranks, each with the other."""
    from flux.hostlist import Hostlist

    lines = h.rpc("resource.status", nodeid=0).get()["R"]["execution"]["nodelist"]
    hosts = list(Hostlist(",".join(lines)))
    ranks = [(str(rank), host) for rank, host in enumerate(hosts)]
    named = {host: f"rank {rank}" for rank, host in reversed(list(enumerate(hosts)))}
    return [*ranks, *named.items()]


def _find_drained(h: Flux) -> Found:
    from flux.idset import IDset
    from flux.resource.list import resource_status

    status = resource_status(h).get()
    return [
        (word, why or "drained")
        for ranks, _, why in status.drain_info
        for rank in ranks
        for word in (str(rank), str(status.hosts_of(IDset([rank]))))
    ]


def _find_ranks(h: Flux) -> Found:
    return [(str(rank), "") for rank in range(int(attribute_of(h, "size") or 0))]


def _find_modules(h: Flux) -> Found:
    return [(mod["name"], "") for mod in h.rpc("broker.lsmod").get()["mods"]]


def _find_services(h: Flux) -> Found:
    mods = h.rpc("broker.lsmod").get()["mods"]
    return [(name, "") for name in sorted({"broker", *(mod["name"] for mod in mods)})]


def _find_attributes(h: Flux) -> Found:
    return [(name, "") for name in sorted(h.rpc("attr.list").get()["names"])]


def _find_entries(h: Flux) -> Found:
    return [(str(one["id"]), one["name"]) for one in h.rpc("cron.list", {}).get()["entries"]]


def _find_plugins(h: Flux) -> Found:
    names = h.rpc("job-manager.jobtap", {"query_only": True}).get()["plugins"]
    return [(name, "") for name in names]


def _find_namespaces(h: Flux) -> Found:
    from flux import kvs_rpc

    return [(space["namespace"], "") for space in kvs_rpc.namespace_list(h)]


users = _asking(_find_users_or_all)
queues = _asking(_find_queues)
queue_list = _listed(queues)
nodes = _listed(_asking(_find_nodes))
drained_nodes = _listed(_asking(_find_drained))
ranks = _listed(_asking(_find_ranks))
modules = _asking(_find_modules)
services = _asking(_find_services)
attributes = _asking(_find_attributes)
jobtap_plugins = _asking(_find_plugins)
namespaces = _asking(_find_namespaces)


def _loadable() -> list[str]:
    from fluxctl.module_files import known_names

    return sorted(known_names())


loadable_modules = words(_loadable)


def cron_entries(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the id of a cron entry: 1, or cron-1 if it is begun like that."""
    number = incomplete.removeprefix("cron-")
    prefix = "cron-" if number != incomplete else ""
    found = _asked(_find_entries, number)
    for item in found:
        item.value = prefix + item.value
    return found


# The key-value store


def kvs_keys(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a key by the directory that it is in, of the namespace that the command names."""
    space = ctx.params.get("namespace")
    before, period, _ = incomplete.rpartition(".")

    def find(h: Flux) -> Found:
        from flux import kvs_rpc
        from flux.kvs_txn import READDIR

        found = kvs_rpc.dir_of(kvs_rpc.lookup(h, before or ".", READDIR, space))
        for name, obj in sorted(found.items()):
            directory = obj["type"] in ("dir", "dirref")
            yield f"{before}{period}{name}{'.' if directory else ''}", ""

    return _asked(find, incomplete)


def config_keys(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a key of the configuration, by the tables before it."""
    before, period, _ = incomplete.rpartition(".")

    def find(h: Flux) -> Found:
        table = h.rpc("config.get", {}).get()
        for step in before.split(".") if before else ():
            table = table[step]
        for name, value in sorted(table.items()):
            yield f"{before}{period}{name}{'.' if isinstance(value, dict) else ''}", ""

    return _asked(find, incomplete)
