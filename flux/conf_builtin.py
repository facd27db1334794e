"""Where the parts of this installation are, by the names of flux-core's built-in values
(flux.conf_builtin of today's flux-core).
"""

from __future__ import annotations

from typing import Final

from flux import install

CONFIGURATION: Final = "/etc/flux"
"""Where an administrator puts what a system has of its own."""

MODPROBE: Final = "/etc/fluxctl/modprobe"
"""Where files of a site for ``flux modprobe`` are: not where a flux-core on the same machine has
its own, whose tasks ask for modules that are not here.
"""

MODPROBE_PATH: Final = "FLUX_MODPROBE_PATH"
"""The variable that names other directories; with ``_PREPEND`` and ``_APPEND`` further ones."""

VALUES: Final = {
    "confdir": CONFIGURATION,
    "datadir": f"{install.ROOT}/fluxctl",
    "libexecdir": f"{install.ROOT}/fluxctl",
    "rundir": "/run/flux",
    "connector_path": install.CONNECTORS,
    "exec_path": install.COMMANDS,
    "jobtap_pluginpath": f"{CONFIGURATION}/jobtap/plugins",
    "lua_cpath_add": f"{install.SHELL}/?.so",
    "lua_path_add": f"{install.SHELL}/?.lua",
    "man_path": install.MANUAL,
    "module_path": install.MODULES,
    "pmi_library_path": install.PMI_LIBRARY,
    "python_path": install.PYTHON,
    "shell_initrc": f"{CONFIGURATION}/shell/initrc.lua",
    "shell_path": install.SHELL,
    "shell_pluginpath": f"{CONFIGURATION}/shell/plugins",
}
WHICH: Final = ("installed", "intree", "auto")


def conf_builtin_get(name: str, which: str = "auto") -> str:
    """Return a built-in value. ``which`` is one of `WHICH`: it makes no difference here, where a
    clone is used as it is.

    Raises ValueError for another name, and for another ``which``.
    """
    if which not in WHICH:
        raise ValueError(f"which must be one of {', '.join(WHICH)}, not {which!r}")
    if name not in VALUES:
        raise ValueError(f"No builtin config value for '{name}'")
    return VALUES[name]
