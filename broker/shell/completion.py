"""Completion references: what keeps a job from being complete though its tasks have ended
(flux_shell_add_completion_ref(3)).
"""

from __future__ import annotations

import errno


class CompletionReferences:
    """Counts of references by name; true as long as there is one."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, name: str) -> int:
        """Add a reference and return how many ``name`` has now; raises OSError(EINVAL) for an empty
        name.
        """
        if not name:
            raise OSError(errno.EINVAL, "a completion reference needs a name")
        self._counts[name] = self._counts.get(name, 0) + 1
        return self._counts[name]

    def remove(self, name: str) -> None:
        """Undo one `add`; raises OSError(ENOENT) if ``name`` has no reference."""
        count = self._counts.get(name)
        if count is None:
            raise OSError(errno.ENOENT, f"no completion reference {name}")
        if count == 1:
            del self._counts[name]
        else:
            self._counts[name] = count - 1
