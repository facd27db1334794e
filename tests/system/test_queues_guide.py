"""The commands of docs/queues.md, in one instance with the configuration of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import running_instance
from tests.docs.pages import run
from tests.system.guide import commands, examples, matches

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

    from flux.testing.instance import Instance

PAGE = "queues.md"
COMMANDS = [pair for pair in commands(PAGE) if not pair[0].startswith("flux start")]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    folder: pathlib.Path = tmp_path_factory.mktemp("queues")
    (folder / "queues.toml").write_text(examples(PAGE, "toml")[0].text)
    with running_instance(4, f"--config-path={folder}/queues.toml") as made:
        yield made


def test_every_command_prints_what_the_page_shows(instance: Instance) -> None:
    assert len(COMMANDS) > 20
    for command, printed in COMMANDS:
        done = run(instance, "sh", "-c", command)
        assert matches(printed, done.stdout), f"{command}\nprinted:\n{done.stdout}"
