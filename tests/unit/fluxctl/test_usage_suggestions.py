"""A mistyped word of a command line: the line after the sentence says which one is meant."""

from __future__ import annotations

import pytest

from fluxctl import main

LINES = [
    ("jobs --fliter=x", "flux-jobs: did you mean --filter?", 2),
    ("jobs --color=alwys", "flux-jobs: did you mean always?", 2),
    ("jobs -o {idd}", "flux-jobs: did you mean id?", 1),
    ("jobs -o {id.f85}", "flux-jobs: did you mean id.f58?", 1),
    ("job lits", "flux-job: did you mean list?", 1),
    ("job list --states=pendng", "flux-job: did you mean pending?", 1),
    ("job id --to=dothx 1", "flux-job: did you mean dothex?", 1),
    ("job eventlog --format=jsn 1", "flux-job: did you mean json?", 1),
    ("job eventlog --time-format=ofset 1", "flux-job: did you mean offset?", 1),
    ("job urgency 1 hodl", "flux-job: did you mean hold?", 1),
    ("job urgency 1 expdite", "flux-job: did you mean expedite?", 1),
    ("mini sbmit", "flux-mini: did you mean submit?", 2),
    ("mini submit --ntask-x=2 true", "flux-mini: did you mean --ntasks?", 2),
    ("resource lst", "flux-resource: did you mean list?", 2),
    ("module list -o {nmae}", "flux-module: did you mean name?", 1),
    ("module stats -t doubl", "flux-module: did you mean double?", 1),
    ("lsattr -o {valeu}", "flux-lsattr: did you mean value?", 1),
    ("cron list -o {staus}", "flux-cron: did you mean status?", 1),
    ("queue list -o {quue}", "flux-queue: did you mean queue?", 1),
    ("queue status -o {submision}", "flux-queue: did you mean submission?", 1),
    ("overlay status --wait=degraed", "flux-overlay: did you mean degraded?", 1),
    ("overlay status -o {rnak}", "flux-overlay: did you mean rank?", 1),
    ("archive list -o {pth}", "flux-archive: did you mean path?", 1),
    ("jobtap list -o {nam}", "flux-jobtap: did you mean name?", 1),
    ("kvs namespace list -o {ownr}", "flux-kvs: did you mean owner?", 1),
    ("config get --type=integr x", "flux-config: did you mean integer?", 1),
    ("top --sort=runtme", "flux-top: did you mean runtime?", 1),
    ("jbos", "flux: did you mean 'jobs'?", 1),
]


@pytest.mark.parametrize(("words", "line", "code"), LINES, ids=[line[0] for line in LINES])
def test_the_line_that_says_what_is_meant(
    words: str,
    line: str,
    code: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLUX_URI", "local:///nonexistent/local-0")
    assert main.run(words.split()) == code
    out, err = capsys.readouterr()
    assert err.splitlines()[-1] == line
    assert out == ""


def test_nothing_is_meant_by_a_word_like_no_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUX_URI", "local:///nonexistent/local-0")
    for words in ("jobs --nosuch", "jobs -o {qqqq}", "job zzzz", "mini zzzz", "module list -o {q}"):
        assert main.run(words.split()) != 0
        assert "did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize("words", ["resource list -o {stae}", "resource status -s onlin"])
def test_flux_resource_says_it_to_a_person(
    words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUX_URI", "local:///nonexistent/local-0")
    main.run(words.split())
    assert "did you mean" not in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    main.run(words.split())
    assert "flux-resource: did you mean" in capsys.readouterr().err
