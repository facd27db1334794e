"""Recovery mode: an instance of one broker on what another one left, to look at it and to mend it.

``flux start --recovery`` sets the attribute ``broker.recovery-mode``. All resources are down then,
and nothing starts jobs, not those either that had their resources when the other instance ended.
Modules that cannot be loaded are left out, but for the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux.modules import MODULES

if TYPE_CHECKING:
    from broker.attributes import Attributes

ATTRIBUTE: Final = "broker.recovery-mode"

LEFT_OUT: Final = frozenset({"job-exec"})
"""Modules that rc1 does not load: they run jobs."""

NEEDED: Final = frozenset(
    {"kvs", *(name for name, module in MODULES.items() if "content-backing" in module.provides)}
)
"""Modules without which there is nothing to look at."""

_RULE: Final = "+" + "-" * 53


def recovering(attrs: Attributes) -> bool:
    """Whether the instance is in recovery mode."""
    return attrs.get(ATTRIBUTE) is not None


def greeting(attrs: Attributes) -> str:
    """Return what a person is told who gets a shell in such an instance."""
    facts = {name: attrs.get(name) for name in ("broker.rc1_path", "broker.rc3_path")}
    facts["config.path"] = attrs.get("config.path") or "unknown"
    facts["statedir"] = attrs.get("statedir") or "changes will not be preserved"
    lines = [
        "Entering Flux recovery mode.",
        "All resources will be offline during recovery.",
        "Any rc1 failures noted above may result in",
        " reduced functionality until manually corrected.",
        "",
        *(f"{name:<18} {value or ''}" for name, value in facts.items()),
        "",
        "Exit this shell when finished.",
    ]
    return "\n".join([_RULE, *(f"| {line}".rstrip() for line in lines), _RULE, ""])
