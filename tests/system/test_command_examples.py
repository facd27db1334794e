"""The examples of every command's help work as they stand there."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from fluxctl.examples import Example, examples_of, parsed
from fluxctl.table import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

ELSEWHERE = {
    "priority": "it needs a configuration: test_priority.py has them run",
    "heaptrace": "our brokers have no profiler",
    "relay": "it is run by the ssh connector on another machine",
    "top": "it needs a terminal",
}
"""Commands none of whose examples can be run here, and why."""

NEEDS = {
    "ssh://": "another machine",
    "slurm:": "a running Slurm",
}
"""Words of examples that need more than an instance."""

FILES = {
    "notes.txt": "some notes\n",
    "report.sh": "#!/bin/sh\necho report\n",
    "program.py": "import flux\nprint(flux.Flux().get_rank())\n",
    "site.toml": "[job-manager]\ninactive-num-limit = 1000\n",
    "greeter.py": "mod_name = 'greeter'\n\n\ndef mod_main(h, *args):\n    h.reactor_run()\n",
    "tasks.py": "from flux.modprobe import task\n\n\n@task('one')\ndef one(context):\n    pass\n",
    "limits.py": "def flux_plugin_init(plugin):\n    pass\n",
}
"""What the examples take for granted in the working directory."""


def all_examples() -> Iterator[tuple[str, Example]]:
    for name in COMMANDS:
        for example in examples_of(name):
            if name not in ELSEWHERE and not any(w in "".join(example.commands) for w in NEEDS):
                yield name, example


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    # What cron and the clean-up commands write stays where the brokers were started.
    with contextlib.chdir(tmp_path_factory.mktemp("brokers")), running_instance(2) as running:
        for name, text in FILES.items():
            (running.home / name).write_text(text)
        (running.home / "report.sh").chmod(0o755)
        yield running


@pytest.mark.parametrize(
    ("name", "example"), list(all_examples()), ids=lambda v: v if isinstance(v, str) else v.purpose
)
def test_an_example_works(instance: Instance, name: str, example: Example) -> None:
    instance.run("cancel", "--all", "--quiet")  # what examples before this one left running
    done = subprocess.run(
        ["bash", "-ec", "set -o pipefail\n" + "\n".join(example.commands)],
        env=instance.environment,
        cwd=instance.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, (name, done.stdout, done.stderr)
    assert "rror" not in done.stderr


def test_every_command_has_examples_of_itself() -> None:
    for name in COMMANDS:
        found = examples_of(name)
        assert 1 <= len(found) <= 6, name
        for example in found:
            assert any(f"flux {name}" in line for line in example.commands), (name, example)
            assert not example.purpose.endswith((".", ":"))


def test_the_examples_of_a_sub_command_are_those_that_use_it() -> None:
    purposes = [one.purpose for one in examples_of("kvs get")]
    assert purposes == ["Store values, and read one"]
    assert examples_of("kvs getroot") == []


def test_a_comment_begins_an_example() -> None:
    text = "\n# One thing\nflux a\nflux b\n# Another\nflux c\n"
    assert parsed(text) == [
        Example("One thing", ("flux a", "flux b")),
        Example("Another", ("flux c",)),
    ]


def test_help_ends_with_the_examples(instance: Instance) -> None:
    ends = instance.run("kvs", "get", "--help").stdout.partition("\nExamples:\n")[2]
    assert ends.splitlines()[1] == "    flux kvs put colors.sky=blue colors.grass=green"
