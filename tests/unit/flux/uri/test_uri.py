"""URIs in their parts and forms, and who finds which scheme."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from flux.uri import URI, FluxURIResolver, JobURI, URIResolverURI
from flux.uri.errors import UnresolvedURI

if TYPE_CHECKING:
    import pathlib


def test_a_uri_is_there_in_its_parts() -> None:
    uri = URI("pid:123;p?local&a=b#f")
    assert (uri.scheme, uri.path, uri.params, uri.query) == ("pid", "123", "p", "local&a=b")
    assert uri.query_dict == {"local": [""], "a": ["b"]}
    assert uri.fragment == "f"
    assert URIResolverURI("f1/f2").scheme == ""


def test_a_job_uri_has_both_forms() -> None:
    local = JobURI("local:///tmp/x", remote_hostname="far")
    assert (local.remote, local.local, str(local)) == (
        "ssh://far/tmp/x",
        "local:///tmp/x",
        "local:///tmp/x",
    )
    remote = JobURI("ssh://user@far:22/tmp/x")
    assert (remote.remote, remote.local) == ("ssh://user@far:22/tmp/x", "local:///tmp/x")
    assert (remote.remote_uri, remote.local_uri) == (remote.remote, remote.local)
    assert JobURI("local:///a").remote == f"ssh://{os.uname().nodename}/a"
    remote.force_local = True
    assert str(remote) == "local:///tmp/x"


def test_a_job_uri_needs_a_scheme() -> None:
    with pytest.raises(ValueError, match="does not have a valid scheme"):
        JobURI("nothing")
    wrong: Any = (7,)
    with pytest.raises(TypeError, match="a URI must be a string, not int"):
        URI(*wrong)


def test_connectors_resolve_to_themselves_in_the_form_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolver = FluxURIResolver()
    assert str(resolver.resolve("local:///a")) == "local:///a"
    assert str(resolver.resolve("ssh://far/b?local")) == "local:///b"
    assert str(resolver.resolve("local:///a?remote")) == f"ssh://{os.uname().nodename}/a"
    monkeypatch.setenv("FLUX_URI_RESOLVE_LOCAL", "1")
    assert str(resolver.resolve("ssh://far/b")) == "local:///b"


def test_an_unknown_scheme_is_told_from_an_instance_that_is_not_found() -> None:
    resolver = FluxURIResolver()
    with pytest.raises(NotImplementedError, match="No plugin for URI scheme nono"):
        resolver.resolve("nono:1")
    with pytest.raises(UnresolvedURI, match="pid:abc: not a process id"):
        resolver.resolve("pid:abc")
    with pytest.raises(ValueError, match="xyz: neither a job id nor a URI"):
        resolver.resolve("xyz")


def test_the_built_in_plugins_say_what_they_find() -> None:
    plugins = FluxURIResolver().plugins()
    assert set(plugins) >= {"jobid", "pid", "slurm", "lsf"}
    assert all(plugins.values())


PLUGIN = """
from flux.uri import JobURI, URIResolverPlugin

class URIResolver(URIResolverPlugin):
    def describe(self):
        return "an answer"

    def resolve(self, uri):
        return JobURI("local:///" + uri.path)
"""


def test_directories_may_have_further_plugins(tmp_path: pathlib.Path) -> None:
    (tmp_path / "site.py").write_text(PLUGIN)
    (tmp_path / "broken.py").write_text("x = 1\n")
    resolver = FluxURIResolver([str(tmp_path)])
    assert str(resolver.resolve("site:here")) == "local:///here"
    with pytest.raises(ValueError, match="the plugin broken has no URIResolver"):
        resolver.resolve("broken:1")
    assert str(resolver.resolve("site:there?remote")).startswith("ssh://")
