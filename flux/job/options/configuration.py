"""The configuration that goes with a job which is an instance, made of one piece after the other
(``--conf`` of flux-batch(1) and flux-alloc(1)).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from flux.treedict import dict_merge, get_treedict, set_treedict

if TYPE_CHECKING:
    from flux.job.jobspec_attributes import JobspecAttributes
    from flux.wire.json import JsonObject

CONFIGURATION: Final = "conf.json"
"""The name of the job's file that has the configuration."""
BROKER_OPTION: Final = f"-c{{{{tmpdir}}}}/{CONFIGURATION}"
"""The option of brokers that are to read it."""
NO_PROGRAM: Final = "-Sbroker.rc2_none=1"
"""The option of brokers that run no initial program."""


class BatchConfig:
    """A configuration, ``config``, that `update` adds to: of what is there already, the later
    counts.
    """

    def __init__(self) -> None:
        self.config: JsonObject | None = None

    def get(self, key: str, default: object = None) -> object:
        """Return the value of a key whose periods separate levels."""
        return get_treedict(self.config or {}, key, default)

    def update(self, value: str | Mapping[str, object]) -> BatchConfig:
        """Add tables: lines of TOML or JSON, ``KEY=VALUE`` with a value of JSON, a file whose name
        ends with ``.toml`` or ``.json``, the name of one in a directory of configurations, or the
        tables themselves.

        Raises ValueError if they cannot be read.
        """
        if isinstance(value, Mapping):
            return self._add(dict(value))
        if not isinstance(value, str):
            raise TypeError(f"a configuration cannot be made of {type(value).__name__}")
        if "\n" in value or value.lstrip().startswith("{"):
            return self.update_string(value)
        if "=" in value:
            return self.update_keyval(value)
        if value.endswith((".toml", ".json")) or "/" in value:
            return self.update_file(value)
        return self.update_named_config(value)

    def update_string(self, value: str) -> BatchConfig:
        """Add lines of TOML, or JSON; raises ValueError."""
        kind = "json" if value.lstrip().startswith("{") else "toml"
        return self._add(_tables(value, "the lines given", kind))

    def update_keyval(self, keyval: str) -> BatchConfig:
        """Add one value, ``KEY=VALUE``; raises ValueError."""
        from flux.job.options.values import parse_value

        key, equals, value = keyval.partition("=")
        if not equals or not all(key.split(".")):
            raise ValueError(f"--conf: {keyval}: expected KEY=VALUE")
        found: JsonObject = {}
        set_treedict(found, key, parse_value(value))
        return self._add(found)

    def update_file(self, path: str, extension: str = ".toml") -> BatchConfig:
        """Add a file, which is JSON if its name, or else ``extension``, says so; raises
        ValueError.
        """
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except OSError as error:
            raise ValueError(f"--conf: {error}") from None
        except UnicodeDecodeError:
            raise ValueError(f"--conf: {path}: is not text in UTF-8") from None
        kind = (os.path.splitext(path)[1] or extension).removeprefix(".")
        return self._add(_tables(text, path, "json" if kind == "json" else "toml"))

    def update_named_config(self, name: str) -> BatchConfig:
        """Add a configuration of the user or of the site by its name; raises ValueError."""
        for folder in _folders():
            for kind in ("toml", "json"):
                path = os.path.join(folder, f"{name}.{kind}")
                if os.path.exists(path):
                    return self.update_file(path)
        raise ValueError(f"--conf: named config '{name}' not found")

    def _add(self, tables: JsonObject) -> BatchConfig:
        if self.config is None:
            self.config = {}
        dict_merge(self.config, tables)
        return self

    def add_to(self, jobspec: JobspecAttributes) -> None:
        """Have a job find the configuration as its file."""
        if self.config is not None:
            jobspec.add_file(CONFIGURATION, self.config)


def as_batch_config(conf: BatchConfig | Mapping[str, object] | str | None) -> BatchConfig:
    """Return the configuration that an argument stands for; raises ValueError."""
    if isinstance(conf, BatchConfig):
        return conf
    return BatchConfig() if conf is None else BatchConfig().update(conf)


def _folders() -> list[str]:
    """Return where configurations that have a name are, the user's own first."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    shared = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    return [os.path.join(folder, "flux", "config") for folder in (home, *shared.split(":"))]


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
        raise ValueError(f"--conf: {name}: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"--conf: {name}: is no table")
    return value
