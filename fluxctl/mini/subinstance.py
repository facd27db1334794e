"""What ``batch`` and ``alloc`` tell the brokers of the instance that is a job: options, a
configuration, what is kept of it at its end.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from flux.treedict import dict_merge
from fluxctl.mini.options import MiniOptions, failure

if TYPE_CHECKING:
    from flux.job.Jobspec import JobspecV1
    from flux.wire.json import JsonObject

CONFIGURATION: Final = "conf.json"
"""The name of the job's file that has the configuration."""
DUMP: Final = "flux-{{jobid}}-dump.tgz"
NO_PROGRAM: Final = "-Sbroker.rc2_none=1"


def broker_options(options: MiniOptions) -> list[str]:
    """Return the options of the brokers, those of ``--broker-opts`` last."""
    found = []
    if options.dump is not None:
        found.append(f"-Scontent.dump={options.dump or DUMP}")
    if options.conf:
        found.append(f"-c{{{{tmpdir}}}}/{CONFIGURATION}")
    if options.bg:
        found.append(NO_PROGRAM)
    return [*found, *options.broker_opts]


def add_configuration(jobspec: JobspecV1, options: MiniOptions) -> None:
    """Send along the configuration that the options ``--conf`` make, each adding to those before.

    Raises CommandError for one that cannot be read.
    """
    if not options.conf:
        return
    tables: JsonObject = {}
    for text in options.conf:
        dict_merge(tables, read_configuration(text))
    jobspec.add_file(CONFIGURATION, tables)


def read_configuration(text: str) -> JsonObject:
    """Return the tables of one ``--conf``: lines of TOML or JSON, ``KEY=VALUE``, a file, or the
    name of one.

    Raises CommandError if they cannot be read.
    """
    if "\n" in text or text.lstrip().startswith("{"):
        return _tables(text, "the lines given", "json" if text.lstrip()[:1] == "{" else "toml")
    if "=" in text:
        return _one(text)
    if text.endswith((".toml", ".json")) or "/" in text:
        return _file(text)
    for folder in _folders():
        for kind in ("toml", "json"):
            path = os.path.join(folder, f"{text}.{kind}")
            if os.path.exists(path):
                return _file(path)
    raise failure(f"--conf: named config '{text}' not found")


def _folders() -> list[str]:
    """Return where configurations that have a name are, the user's own first."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    shared = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    return [os.path.join(folder, "flux", "config") for folder in (home, *shared.split(":"))]


def _one(text: str) -> JsonObject:
    from flux.util import set_treedict
    from flux.wire import json

    key, _, value = text.partition("=")
    found: JsonObject = {}
    try:
        parsed: object = json.loads(value)
    except ValueError:
        parsed = value
    if not all(key.split(".")):
        raise failure(f"--conf: {text}: expected KEY=VALUE")
    set_treedict(found, key, parsed)
    return found


def _file(path: str) -> JsonObject:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise failure(f"--conf: {error}") from None
    except UnicodeDecodeError:
        raise failure(f"--conf: {path}: is not text in UTF-8") from None
    return _tables(text, path, "json" if path.endswith(".json") else "toml")


def _tables(text: str, name: str, kind: str) -> JsonObject:
    """Return the tables that a text is; errors call it ``name``."""
    try:
        if kind == "json":
            from flux.wire import json

            value: object = json.loads(text)
        else:
            import tomli

            value = tomli.loads(text)
    except (ValueError, RecursionError) as error:
        raise failure(f"--conf: {name}: {error}") from None
    if not isinstance(value, dict):
        raise failure(f"--conf: {name}: is no table")
    return value
