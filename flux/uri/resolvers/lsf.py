"""``lsf:JOBID``, the instance in a job of LSF."""

from __future__ import annotations

from flux.uri.foreign_jobs import uri_of_foreign_job
from flux.uri.uri import JobURI, URIResolverPlugin, URIResolverURI


class LsfInstanceFinder(URIResolverPlugin):
    """Finds the instance in a job of LSF."""

    def describe(self) -> str:
        """Return what the plugin finds, in a line."""
        return "Get URI for a Flux instance launched under LSF"

    def resolve(self, uri: URIResolverURI) -> JobURI:
        """Return the instance in a job; ValueError if there is none."""
        return JobURI(uri_of_foreign_job("lsf", uri.path))


URIResolver = LsfInstanceFinder
