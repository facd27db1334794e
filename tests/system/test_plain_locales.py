"""Job ids in locales without the letter ƒ: whatever a command prints, and whatever a job's shell
makes of the id, begins with f where the locale is plain, and with ƒ elsewhere.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

from .watching import ending

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOCALE = ("LC_ALL", "LC_CTYPE", "LANG")

PLAIN: dict[str, dict[str, str]] = {
    "LC_ALL=C": {"LC_ALL": "C"},
    "LC_ALL=POSIX": {"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"},
    "no UTF-8 mode": {"LC_ALL": "C", "PYTHONUTF8": "0"},
    "UTF-8 mode": {"LC_ALL": "C", "PYTHONUTF8": "1"},
    "LANG=C as it is": {"LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "asked for": {"LC_ALL": "C.UTF-8", "FLUX_F58_FORCE_ASCII": "1"},
}
"""Environments that have plain ids. LANG=C alone is none: Python makes C.UTF-8 of it, and so do
flux-core's commands that are Python programs.
"""

RICH: dict[str, dict[str, str]] = {"UTF-8": {"LC_ALL": "C.UTF-8"}, "LANG=C": {"LANG": "C"}}

PMI = "import broker.pmi_client as p; print(p.PmiClient.from_environment().kvsname)"


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


def said(instance: Instance, locale: Mapping[str, str], *words: str) -> str:
    """Return what a command prints and says, as UTF-8."""
    clean = {name: text for name, text in instance.environment.items() if name not in LOCALE}
    done = subprocess.run(
        [instance.flux, *words],
        env=clean | dict(locale),
        cwd=instance.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return (done.stdout + done.stderr).decode()


def everything(instance: Instance, locale: Mapping[str, str]) -> list[str]:
    """Return what each command that names jobs says of some."""
    job = said(instance, locale, "mini", "submit", "--flags=waitable", "false").strip()
    many = said(instance, locale, "mini", "submit", "--cc=1-2", "--wait", "-v", "true")
    questions = (
        ("mini", "run", "-v", "false"),
        ("mini", "bulksubmit", "--watch", "sh", "-c", "echo $FLUX_JOB_ID", ":::", "1"),
        ("mini", "alloc", "-n1", "-v", "flux", "getattr", "jobid"),
        ("mini", "submit", f"--dependency=afterany:{job}", "true"),
        ("jobs", "-a"),
        ("jobs", "-ano", "{id} {id.f58}"),
        ("jobs", "-a", "--json"),
        ("job", "attach", job),
        ("job", "id", "--to=f58", "1234567"),
        ("job", "status", "-vv", job),
        ("job", "wait", "-v", job),
        ("job", "wait", "--all", "-v"),
        ("job", "cancel", job),
        ("job", "kill", job),
        ("job", "urgency", job, "16"),
        ("uri", job),
        ("proxy", job, "true"),
        ("getattr", "jobid"),
        ("dmesg",),
    )
    return [job, many, *(f"{words}: {said(instance, locale, *words)}" for words in questions)]


@pytest.mark.parametrize("name", PLAIN)
def test_no_command_prints_the_letter(instance: Instance, name: str) -> None:
    seen = everything(instance, PLAIN[name])
    assert [text for text in seen if "ƒ" in text] == []
    assert seen[0].startswith("f")


@pytest.mark.parametrize("name", RICH)
def test_ids_have_it_elsewhere(instance: Instance, name: str) -> None:
    assert said(instance, RICH[name], "mini", "submit", "true").startswith("ƒ")
    assert said(instance, RICH[name], "job", "id", "--to=f58", "1234567") == "ƒ7Kze\n"


@pytest.mark.parametrize(
    ("locale", "letter"),
    [*((one, "f") for one in PLAIN.values()), *((one, "ƒ") for one in RICH.values())],
    ids=[*PLAIN, *RICH],
)
def test_what_a_job_sees_of_its_id(
    instance: Instance, locale: Mapping[str, str], letter: str
) -> None:
    script = f"echo $FLUX_JOB_ID; basename $FLUX_JOB_TMPDIR; {sys.executable} -c '{PMI}'"
    seen = said(instance, locale, "mini", "run", "sh", "-c", script)
    found, folder, space = seen.split()
    assert found[0] == letter
    assert (folder, space) == (f"jobtmp-0-{found}", found)
    said(instance, locale, "mini", "run", "--output=out-{{id}}-{{jobid}}-{{id.f58}}", "true")
    (file,) = instance.home.glob("out-*")
    assert [part[0] for part in file.name.split("-")[1:]] == [letter] * 3
    file.unlink()


def test_an_id_is_taken_with_either_letter_everywhere(instance: Instance) -> None:
    digits = said(instance, RICH["UTF-8"], "mini", "submit", "true").strip()[1:]
    number = said(instance, RICH["UTF-8"], "job", "id", f"ƒ{digits}")
    for locale in (*PLAIN.values(), *RICH.values()):
        assert said(instance, locale, "job", "id", f"ƒ{digits}", f"f{digits}") == number * 2


def test_the_dashboard(instance: Instance) -> None:
    said(instance, PLAIN["LC_ALL=C"], "mini", "submit", "true")
    clean = {name: text for name, text in instance.environment.items() if name not in LOCALE}
    process = subprocess.Popen(
        [instance.flux, "top", "--linear"],
        env=clean | {"LC_ALL": "C"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with ending(process) as top:
        assert top.stdout is not None
        lines = [top.stdout.readline() for _ in range(2)]
        job = said(instance, PLAIN["LC_ALL=C"], "mini", "submit", "true").strip().encode()
        while job not in lines[-1]:
            lines.append(top.stdout.readline())
            assert lines[-1]
    assert job.startswith(b"f")
    assert not any("ƒ".encode() in line for line in lines)
