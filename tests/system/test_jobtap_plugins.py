"""The plugins of docs/jobtap-plugins.md do what the page says, command by command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from tests.docs.pages import ROOT, blocks, matches, run, steps

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (ROOT / "docs" / "jobtap-plugins.md").read_text()
FILES = {text.partition("\n")[0].removeprefix("# "): text for text in blocks(PAGE, "python")}
STEPS = list(steps(PAGE))


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        for name, text in FILES.items():
            (running.home / name).write_text(text)
        running.environment["EXAMPLES"] = str(ROOT / "examples" / "jobtap")
        yield running


@pytest.mark.parametrize(("command", "output"), STEPS, ids=[command[:50] for command, _ in STEPS])
def test_a_command_prints_what_the_page_shows(
    command: str, output: str, instance: Instance
) -> None:
    done = run(instance, "bash", "-c", command)
    assert done.returncode == 0, done.stdout
    assert matches(output, done.stdout), f"the page shows:\n{output}\nprinted:\n{done.stdout}"


def test_every_file_is_used() -> None:
    commands = " ".join(command for command, _ in STEPS)
    assert len(FILES) > 5
    assert [name for name in FILES if name not in commands] == []
