"""``[job-submit]``: plugins of Slurm's job-submit interface, and the table of each."""

from collections.abc import Callable, Mapping
from typing import Annotated, Final, cast

from msgspec import Struct, field

from broker.configuration.checks import (
    Setting,
    boolean,
    checks_of,
    integer,
    longer_than_0,
    nearest,
    one_of,
    read_table,
    refused,
    text,
    texts,
)
from flux.wire.json import JsonObject

LUA: Final = "lua"
SHIPPED: Final = ("defaults", "logging", "partition")
"""Plugins in Python that need no ``path``."""
VERSIONS: Final = ("5.1", "5.2", "5.3", "5.4", "luajit20", "luajit21")
INSTRUCTIONS: Final = 10_000_000
SECONDS: Final = 5.0


class LuaTable(Struct, frozen=True, rename="kebab"):
    """``[job-submit.lua]``: the script, the version of Lua that runs it, how many instructions one
    call may take, what ``slurm.CLUSTER_NAME`` is, and whether jobs are refused that the script came
    to no decision about.
    """

    script: Annotated[str | None, text] = None
    version: Annotated[str, one_of(*VERSIONS)] = "5.1"
    instruction_limit: Annotated[int, integer(1000)] = INSTRUCTIONS
    cluster_name: Annotated[str | None, text] = None
    refuse_on_error: Annotated[bool, boolean] = False


class JobSubmitConfig(Struct, frozen=True, rename="kebab"):
    """``[job-submit]``: the names of the plugins in the order they are asked, the seconds that one
    job may take, the table of the Lua script and those of the others.
    """

    plugins: Annotated[tuple[str, ...], texts] = ()
    time_limit: Annotated[float, longer_than_0] = SECONDS
    lua: LuaTable = LuaTable()
    tables: Mapping[str, JsonObject] = field(default_factory=dict)


def job_submit_table(node: Setting) -> JobSubmitConfig:
    """Return the table; raises OSError(EINVAL) for plugins that are not known, tables of none, and
    a script or a path that is missing.
    """
    known = checks_of(JobSubmitConfig)
    values: dict[str, object] = {}
    tables: dict[str, JsonObject] = {}
    lua = LuaTable()
    for key, member in node.members():
        if key in known:
            name, check = known[key]
            values[name] = check(member)
        elif key == LUA:
            lua = read_table(member, LuaTable)
        elif isinstance(member.value, dict):
            tables[key] = dict(member.value)
        else:
            raise refused(member, known)
    make = cast("Callable[..., JobSubmitConfig]", JobSubmitConfig)
    config = make(**values, lua=lua, tables=tables)
    _check_plugins(node, config)
    return config


def _check_plugins(node: Setting, config: JobSubmitConfig) -> None:
    listed = node.child("plugins", list(config.plugins))
    for element in listed.elements():
        name = text(element)
        if config.plugins.count(name) > 1:
            raise element.error("is listed twice")
        if name == LUA and config.lua.script is None:
            raise node.child(LUA, None).error("script is missing")
        if name != LUA and name not in SHIPPED:
            _check_path(node, element, name, config)
    for name in config.tables:
        if name not in config.plugins:
            near = nearest(name, config.plugins)
            hint = f" (did you mean {near}?)" if near else ""
            raise node.child(name, None).error(f"is no plugin in job-submit.plugins{hint}")
    for name in SHIPPED:
        if "path" in config.tables.get(name, {}):
            raise node.child(name, None).child("path", None).error("is for other plugins")


def _check_path(node: Setting, element: Setting, name: str, config: JobSubmitConfig) -> None:
    if name not in config.tables:
        choice = ", ".join((LUA, *SHIPPED))
        raise element.error(f"there is no such plugin: {choice}, or one with a table and a path")
    place = node.child(name, None)
    if "path" not in config.tables[name]:
        raise place.error("path is missing")
    text(place.child("path", config.tables[name]["path"]))
