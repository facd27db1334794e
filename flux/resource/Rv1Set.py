"""Resources of R version 1, by the name that later versions of flux-core have for `Rlist`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.resource.Rlist import Rlist

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Rv1Set"]


class Rv1Set(Rlist):
    """An `Rlist` that keeps the scheduler's own data only with ``keep_scheduling``."""

    def __init__(
        self,
        arg: str | bytes | Mapping[str, object] | None = None,
        keep_scheduling: bool = False,
    ) -> None:
        super().__init__(arg)
        if not keep_scheduling:
            self._extra.pop("scheduling", None)

    @property
    def scheduling(self) -> object:
        """The scheduler's own data, None without any."""
        return self._extra.get("scheduling")

    @scheduling.setter
    def scheduling(self, data: object) -> None:
        if data is None:
            self._extra.pop("scheduling", None)
        else:
            self._extra["scheduling"] = data
