"""docs/bulk-work.md: both columns of its comparisons print the same lines."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from tests.docs.pages import ROOT, run

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (ROOT / "docs" / "bulk-work.md").read_text("utf-8")
PAIRS = [
    (one.replace("\\|", "|"), other.replace("\\|", "|"))
    for one, other in re.findall(r"^\| `(.*(?:parallel|xargs) .*)` \| `(.*)` \|$", PAGE, re.M)
]


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(4) as instance:
        (instance.home / "numbers").write_text("1\n2\n")
        (instance.home / ".parallel").mkdir()
        (instance.home / ".parallel" / "will-cite").touch()
        instance.environment["HOME"] = str(instance.home)
        yield instance


def test_the_page_compares() -> None:
    assert len(PAIRS) > 10
    assert any("xargs" in one for one, _ in PAIRS)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: str(pair[0]))
def test_both_print_the_same(instance: Instance, pair: tuple[str, str]) -> None:
    done = [run(instance, "sh", "-c", command) for command in pair]
    lines = [sorted(filter(None, one.stdout.splitlines())) for one in done]
    assert lines[1] != []
    assert done[1].returncode == 0
    if "xargs" in pair[0] or shutil.which("parallel"):
        assert lines[0] == lines[1]
