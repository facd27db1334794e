"""The keys of a screen that help a job which waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux.job.why import Remedy

if TYPE_CHECKING:
    from tui.screens.live import LiveScreen

_HELPS: Final = {
    Remedy.OPEN: ("open_parent", "opens"),
    Remedy.RELEASE: ("release_jobs", "releases it"),
    Remedy.URGENCY: ("set_urgency", "changes the urgency"),
    Remedy.CANCEL: ("cancel_jobs", "cancels it"),
}
"""What helps, by the action of a screen and what it does."""


def helping_keys(screen: LiveScreen) -> dict[Remedy, tuple[str, str]]:
    """Return the key of each remedy that the screen has and may do, and what it does."""
    found = {}
    for remedy, (action, words) in _HELPS.items():
        if screen.check_action(action, ()) is False:
            continue
        for _, binding in screen._bindings:  # noqa: SLF001 - Textual lists active ones only
            if binding.action.partition("(")[0] == action:
                found[remedy] = (screen.app.get_key_display(binding), words)
                break
    return found
