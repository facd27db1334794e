"""What a served dashboard is started with."""

from __future__ import annotations

import click
import pytest

from fluxctl.commands.top import command
from fluxctl.serving import same_options, with_port


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--serve"], []),
        (["--serve=1", "--serve-sessions=2", "--serve-idle=3s", "fTARGET"], []),
        (["--read-only", "--serve"], ["--read-only"]),
        (["--serve", "--filter", "-n:x", "--sort=-t"], ["--filter=-n:x", "--sort=-t"]),
    ],
)
def test_dashboards_get_the_options_of_the_server(given: list[str], kept: list[str]) -> None:
    with command.make_context("top", given) as ctx:
        assert same_options(ctx) == kept


def test_flags_and_lists_are_handed_on_as_they_were_given() -> None:
    @click.command()
    @click.option("--one/--no-one", default=True)
    @click.option("--many", multiple=True)
    @click.option("--count", type=int)
    @click.option("--other", default="x")
    def some() -> None:
        pass

    arguments = ["--many=a b", "--many=--c", "--count=0", "--one"]
    with some.make_context("some", list(arguments)) as ctx:
        assert sorted(same_options(ctx)) == sorted(arguments)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["--serve"], ["--serve=0"]),
        (["--serve", "8765"], ["--serve=8765"]),
        (["--serve", "8765", "1234"], ["--serve=8765", "1234"]),
        (["--serve", "123456789"], ["--serve=0", "123456789"]),
        (["--serve", "ƒabc", "--read-only"], ["--serve=0", "ƒabc", "--read-only"]),
        (["--serve=1", "2"], ["--serve=1", "2"]),
        (["--", "--serve", "80"], ["--", "--serve", "80"]),
    ],
)
def test_the_port_may_be_left_out(given: list[str], read: list[str]) -> None:
    assert with_port(given) == read
