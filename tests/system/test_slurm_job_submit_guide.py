"""The commands of docs/slurm-job-submit.md, in an instance with the configuration of the page, and
the examples of plugins in examples/slurm.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import running_instance
from tests.system.guide import ROOT, commands, examples, matches

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

    from flux.testing.instance import Instance

pytest.importorskip("lupa")

PAGE = "slurm-job-submit.md"


def run(instance: Instance, command: str) -> str:
    """Run a command in the top of the project; returns what it prints."""
    return subprocess.run(
        ["sh", "-c", command],
        env=instance.environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    ).stdout


@pytest.fixture
def instance(tmp_path: pathlib.Path) -> Iterator[Instance]:
    text = examples(PAGE, "toml")[0].text.replace('"examples/', f'"{ROOT}/examples/')
    (tmp_path / "site.toml").write_text(text)
    with running_instance(1, f"--config-path={tmp_path}/site.toml") as made:
        yield made


def test_every_command_prints_what_the_page_shows(instance: Instance) -> None:
    found = commands(PAGE)
    assert len(found) > 5
    for command, printed in found:
        done = run(instance, command)
        assert matches(printed, done), f"{command}\nprinted:\n{done}"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("-t 600m", "[Errno 2051] Requested time limit is invalid (missing or exceeds some limit)"),
        ("--setattr=system.slurm.min_mem_per_cpu=9000", "There are 4000 MiB for a CPU, not 9000."),
        ("--setattr=system.qos=staff", "The QOS staff is for the group staff."),
    ],
)
def test_the_rules_of_the_example(instance: Instance, options: str, told: str) -> None:
    command = f"flux mini submit --setattr=system.bank=project1 {options} true"
    assert told in run(instance, command)


def test_jobs_with_gpus_go_to_their_queue(instance: Instance) -> None:
    command = "flux mini submit --urgency=0 --setattr=system.bank=project1 -g1 true"
    assert "ƒ" in run(instance, command)
    assert run(instance, "flux jobs -ano '{queue}'") == "gpu\n"


def test_the_example_in_python(tmp_path: pathlib.Path) -> None:
    table = f'[job-submit.tokens]\npath = "{ROOT}/examples/slurm/tokens.py"\nnodes = 2\n'
    (tmp_path / "site.toml").write_text(f'[job-submit]\nplugins = ["tokens"]\n{table}')
    with running_instance(1, f"--config-path={tmp_path}/site.toml") as instance:
        said = run(instance, "flux mini submit --urgency=0 -N3 -n3 true")
        assert "3 nodes are more than the 2 you may have." in said
        assert "[Errno 2006] Node count specification invalid" in said
        assert run(instance, "flux mini submit --urgency=0 -N1 -n1 true").startswith("ƒ")
