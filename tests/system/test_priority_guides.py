"""The commands of docs/priority.md and docs/slurm-site-factor.md print what the pages show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import running_instance
from tests.docs.pages import run
from tests.system.guide import ROOT, commands, examples, matches

if TYPE_CHECKING:
    import pathlib

    from flux.testing.instance import Instance

EXAMPLES = ROOT / "examples" / "slurm"


def follow(instance: Instance, page: str) -> None:
    for command, printed in commands(page):
        if command.startswith("flux start"):
            continue
        done = run(instance, "bash", "-c", command)
        assert matches(printed, done.stdout), f"{command}\nprinted:\n{done.stdout}"


def test_priorities(tmp_path: pathlib.Path) -> None:
    (tmp_path / "priority.toml").write_text(examples("priority.md", "toml")[0].text)
    assert len(commands("priority.md")) > 8
    with running_instance(4, f"--config-path={tmp_path}/priority.toml") as instance:
        follow(instance, "priority.md")


def test_site_factors(tmp_path: pathlib.Path) -> None:
    page = "slurm-site-factor.md"
    plugin = examples(page, "python")[0].text
    (tmp_path / "site_factor_thesis.py").write_text(plugin)
    text = examples(page, "toml")[0].text.replace("/etc/flux/site_factor", str(tmp_path))
    (tmp_path / "a.toml").write_text(text)
    assert len(commands(page)) > 4
    with running_instance(1, f"--config-path={tmp_path}/a.toml") as instance:
        follow(instance, page)


@pytest.mark.parametrize("name", ["deadline", "turns"])
def test_the_examples(tmp_path: pathlib.Path, name: str) -> None:
    text = f"""
    [priority]
    calc-period = "0.2s"
    site-factor-plugin = "site_factor/{name}"
    site-factor-path = ["{EXAMPLES}"]
    site-factor-parameters = "{"bonus=800,hours=48" if name == "deadline" else "7"}"
    weight.partition = 1000
    """
    (tmp_path / "a.toml").write_text(text)
    deadline = "--setattr=system.comment=deadline=2001-01-01T00:00"
    with running_instance(1, f"--config-path={tmp_path}/a.toml") as instance:
        fill = "flux mini submit --urgency=31 -n$(nproc) sleep inf"
        assert run(instance, "bash", "-c", fill).returncode == 0
        for option in (deadline, "-n1", "-n1"):
            job = instance.run("mini", "submit", option, "true").stdout.strip()
            assert instance.run("job", "wait-event", "-t60", job, "priority").returncode == 0
        shown = instance.run("priority", "-h", "-o", "%Y %S").stdout.splitlines()
        if name == "deadline":
            assert shown == ["1800 800", "1000 0", "1000 0"]
        else:
            assert shown == ["1000 0", "993 -7", "986 -14"]
        assert "err" not in [line.split()[1] for line in instance.run("dmesg").stdout.splitlines()]
