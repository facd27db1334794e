"""Text that users wrote, shown by commands: nothing in it acts on the terminal. And bad text is
refused in one sentence.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

from .watching import background, line

if TYPE_CHECKING:
    from collections.abc import Iterator

NASTY = "x\x1b[2J\u202ey"
SHOWN = "x\\u001b[2J\\u202ey"


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


@pytest.fixture(scope="module")
def job(instance: Instance) -> str:
    """A held job with a nasty name and an exception with a nasty note."""
    submitted = instance.run(
        "mini", "submit", "--urgency=hold", f"--setattr=system.job.name={NASTY}", "true"
    )
    jobid = submitted.stdout.strip()
    assert submitted.returncode == 0, submitted.stderr
    raised = instance.run("job", "raise", "--severity=1", "--type=test", jobid, NASTY)
    assert raised.returncode == 0, raised.stderr
    return jobid


@pytest.mark.parametrize(
    "command",
    [
        ("jobs", "-n", "-o", "{name}"),
        ("jobs", "--json"),
        ("job", "eventlog", "JOB"),
        ("job", "info", "JOB", "jobspec"),
        ("job", "wait-event", "JOB", "exception"),
    ],
    ids=" ".join,
)
def test_a_users_text_is_escaped(instance: Instance, job: str, command: tuple[str, ...]) -> None:
    done = instance.run(*(job if word == "JOB" else word for word in command))
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert SHOWN in done.stdout


def test_log_lines_and_events_are_escaped(instance: Instance) -> None:
    assert instance.run("logger", NASTY).returncode == 0
    assert f"logger.info[0]: {SHOWN}\n" in instance.run("dmesg").stdout
    assert "\x1b" not in instance.log
    with background(instance, "event", "sub", "-c", "1", "shown") as sub:
        while sub.poll() is None:
            instance.run("event", "pub", "-r", "shown", NASTY)
        assert line(sub) == f"shown\t{SHOWN}\n"


def test_what_a_program_asked_for_is_as_it_is(instance: Instance) -> None:
    instance.run("setattr", "my.attr", NASTY)
    assert instance.run("getattr", "my.attr").stdout == NASTY + "\n"
    instance.run("kvs", "put", "--raw", "key=-", stdin=NASTY)
    assert instance.run("kvs", "get", "--raw", "key").stdout == NASTY


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((b"event", b"pub", b"t\xff"), "the topic is not valid UTF-8"),
        ((b"event", b"pub", b"-s", b""), "event topics have 1 to 4096 characters"),
        ((b"event", b"pub", b"-s", b"t", b"[" * 1500), "payload is not valid JSON"),
        ((b"cron", b"start", b"9" * 5000), "missing or invalid"),
        ((b"job", b"cancelall", b"-u", b"9" * 5000), "unknown user"),
        ((b"shell", b"job-5"), "error parsing jobid"),
        ((b"ping", b"9" * 5000), "error parsing --rank"),
        ((b"resource", b"drain", b"h[0-99999][0-99999]"), "invalid targets"),
    ],
)
def test_bad_text_is_refused_in_one_sentence(
    instance: Instance, arguments: tuple[bytes, ...], message: str
) -> None:
    done = subprocess.run(
        [str(instance.flux).encode(), *arguments],
        env=instance.environment,
        cwd=instance.home,
        capture_output=True,
        timeout=60,
        check=False,
    )
    text = done.stderr.decode(errors="replace")
    assert done.returncode == 1
    assert message in text
    assert "internal error" not in text
    assert "Traceback" not in text
