"""``pid:N``, the instance of a process of this machine."""

from __future__ import annotations

from flux.uri.processes import uri_of_process
from flux.uri.uri import JobURI, URIResolverPlugin, URIResolverURI


class ProcessInstanceFinder(URIResolverPlugin):
    """Finds the instance that a process belongs to, or that a broker makes."""

    def describe(self) -> str:
        """Return what the plugin finds, in a line."""
        return "Get FLUX_URI for a given local PID"

    def resolve(self, uri: URIResolverURI) -> JobURI:
        """Return the instance of a process; ValueError if there is none."""
        return JobURI(uri_of_process(uri.path))


URIResolver = ProcessInstanceFinder
