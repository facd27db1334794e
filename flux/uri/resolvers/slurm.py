"""``slurm:JOBID``, the instance in a job of Slurm."""

from __future__ import annotations

from flux.uri.foreign_jobs import uri_of_foreign_job
from flux.uri.uri import JobURI, URIResolverPlugin, URIResolverURI


class SlurmInstanceFinder(URIResolverPlugin):
    """Finds the instance in a job of Slurm."""

    def describe(self) -> str:
        """Return what the plugin finds, in a line."""
        return "Get URI for a Flux instance launched under Slurm"

    def resolve(self, uri: URIResolverURI) -> JobURI:
        """Return the instance in a job; ValueError if there is none."""
        return JobURI(uri_of_foreign_job("slurm", uri.path))


URIResolver = SlurmInstanceFinder
