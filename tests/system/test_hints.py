"""A mistyped name at a terminal: the sentence says which one may be meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from tests.option_fuzz import harmless, run_here

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        running.run("kvs", "namespace", "create", "measurements")
        (running.home / "greeter.py").write_text("mod_name = 'greeter'\n")
        yield running


SENTENCES = [
    ("getattr szie", "flux-getattr: szie: No such file or directory", "size"),
    ("kvs get -N mesurements a", "flux-kvs: a: Operation not supported", "measurements"),
    (
        "kvs put -N measurement a=1",
        "flux-kvs: flux_kvs_commit: Operation not supported",
        "measurements",
    ),
    ("kvs dir -N measurments", "flux-kvs: .: Operation not supported", "measurements"),
    ("module load barier", "flux-module: barier: not found in module search path", "barrier"),
    ("module load greter", "flux-module: greter: not found in module search path", "greeter"),
    (
        "module info heartbeet",
        "flux-module: heartbeet: not found in module search path",
        "heartbeat",
    ),
    (
        "module remove heartbeet",
        "flux-module: broker.rmmod heartbeet: No such file or directory",
        "heartbeat",
    ),
    (
        "module stats heartbeet",
        "flux-module: heartbeet.stats.get: Function not implemented",
        "heartbeat",
    ),
    (
        "module debug heartbeet",
        "flux-module: heartbeet.debug: No service matching heartbeet.debug is registered",
        "heartbeat",
    ),
    ("ping job-managr", "flux-ping: job-managr.ping: Function not implemented", "job-manager"),
    ("cron lst", "flux-cron: Unknown COMMAND `lst'", "list"),
    ("cron help lst", "flux-cron: Unknown COMMAND `lst'", "list"),
]


@pytest.mark.parametrize(("words", "sentence", "name"), SENTENCES, ids=[s[0] for s in SENTENCES])
def test_the_name_that_is_meant(
    instance: Instance,
    words: str,
    sentence: str,
    name: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = instance.environment | {"FLUX_MODULE_PATH": str(instance.home)}
    with harmless(tmp_path, monkeypatch):
        shown = run_here(words.split(), environment, 20.0, terminal=True)
        plain = run_here(words.split(), environment, 20.0)
    assert (plain.code, plain.errors) == (1, f"{sentence}\n")
    assert shown.errors == f"{sentence} (did you mean {name}?)\n"


def test_a_namespace_like_no_other(
    instance: Instance, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with harmless(tmp_path, monkeypatch):
        shown = run_here(
            ["kvs", "get", "-N", "zzz", "a"], instance.environment, 20.0, terminal=True
        )
    assert shown.errors == (
        "flux-kvs: a: Operation not supported (is there a namespace 'zzz'? flux kvs namespace list"
        " shows all)\n"
    )
