"""The R of nodes that are not there, which ``[fake-resources]`` asks for."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from broker.services.resource.stored import checked_resources
from flux.testing.fake_resources import FakeResources

if TYPE_CHECKING:
    from broker.configuration.tables import FakeResourcesConfig
    from flux.job.types import ResourceObject

PLACE: Final = "[fake-resources]"
"""What errors begin with."""
METHOD: Final = "fake-resources"
"""How the event log says that there is such an R."""


class _Described(FakeResources):
    """Nodes as the table describes them; once installed, ``resources`` is their R."""

    def __init__(self, table: FakeResourcesConfig, xml: str | None) -> None:
        numbers = (table.nnodes, table.cores_per_node, table.gpus_per_node)
        super().__init__(*numbers, table.host_prefix, table.amend_r)
        self._xml = xml
        self.resources: ResourceObject

    def install(self) -> None:
        """Make the R; raises OSError, and whatever the amender raises."""
        made = self.amend_R(self.encode(self._xml), hwloc_xml=self._xml)
        self.resources = checked_resources(made, None)  # type: ignore[arg-type]


def _failure(errnum: int, text: str) -> OSError:
    return OSError(errnum, f"{PLACE} {text.removeprefix(PLACE).lstrip()}")


def fake_resources(table: FakeResourcesConfig) -> ResourceObject:
    """Return the R that the table asks for. Raises OSError: a file cannot be read or is none, or
    EINVAL with what is wrong about the function that amends R or about what it made.
    """
    path = table.hwloc_xml_path
    try:
        xml = None
        if path is not None:
            with open(path, encoding="utf-8") as file:
                xml = file.read()
        described = _Described(table, xml)
        described.install()
    except OSError as exc:
        raise _failure(exc.errno or errno.EINVAL, exc.strerror or str(exc)) from None
    except Exception as exc:  # the amender is a function of the site
        raise _failure(errno.EINVAL, str(exc) or type(exc).__name__) from exc
    return described.resources
