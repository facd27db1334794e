"""Long options by any unambiguous prefix, in every command."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import click
import pytest

from fluxctl.abbreviations import LongOptions, candidates
from fluxctl.errors import CommandError
from fluxctl.main import run
from fluxctl.table import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator


def contexts(ctx: click.Context) -> Iterator[click.Context]:
    yield ctx
    group = ctx.command
    if isinstance(group, click.Group):
        for name in group.list_commands(ctx):
            child = group.get_command(ctx, name)
            assert child is not None
            yield from contexts(
                click.Context(child, info_name=name, parent=ctx, **child.context_settings)
            )


def every_command() -> Iterator[click.Context]:
    for name, entry in COMMANDS.items():
        command = entry.load()
        yield from contexts(
            click.Context(command, info_name=f"flux {name}", **command.context_settings)
        )


def long_options(ctx: click.Context) -> dict[str, click.Option]:
    """Every long option of a command, hidden ones and ``--help`` as well."""
    return {
        name: param
        for param in ctx.command.get_params(ctx)
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
        if name.startswith("--")
    }


def shortest_prefix(name: str, names: list[str]) -> str | None:
    """The shortest word that stands for one option only, None if that is its name."""
    for length in range(3, len(name)):
        if [other for other in names if other.startswith(name[:length])] == [name]:
            return name[:length]
    return None


def test_every_option_of_every_command_may_be_abbreviated() -> None:
    tried = 0
    for ctx in every_command():
        options = long_options(ctx)
        for name, option in options.items():
            short = shortest_prefix(name, list(options))
            if short is None:
                continue
            value = [] if option.is_flag or option.count else ["1"]
            _, rest, order = ctx.command.make_parser(ctx).parse_args([short, *value])
            assert order[0] is option, f"{ctx.command_path} {short}"
            assert not rest, f"{ctx.command_path} {short}"
            tried += 1
    assert tried > 250


def test_ambiguous_words_are_refused_in_every_command() -> None:
    tried = 0
    for ctx in every_command():
        names = [*long_options(ctx)]
        for word in {name[:3] for name in names}:
            matching = [name for name in names if name.startswith(word)]
            options = {id(long_options(ctx)[name]) for name in matching}
            if len(options) < 2 or word in names:
                continue
            with pytest.raises(CommandError) as failed:
                ctx.command.parse_args(ctx, [word])
            assert failed.value.code in (1, 2)
            assert all(name in failed.value.message for name in matching), ctx.command_path
            tried += 1
    assert tried > 30


def refuse(word: str, candidates: list[str]) -> NoReturn:
    raise ValueError(word, candidates)


def test_an_exact_name_wins() -> None:
    table = LongOptions({"--env": "env", "--env-file": "file", "--env-remove": "remove"}, refuse)
    assert table["--env"] == "env"
    assert table["--env-f"] == "file"
    assert "--x" not in table
    with pytest.raises(ValueError, match="--env-"):
        "--env-" in table  # noqa: B015 - raises
    with pytest.raises(KeyError):
        table["--no"]


def test_names_of_one_option_are_not_ambiguous() -> None:
    one = object()
    table = LongOptions({"--color": one, "--colour": one}, refuse)
    assert table["--colo"] is one


def test_a_dash_alone_is_no_abbreviation() -> None:
    assert candidates("--", ["--help"]) == []
    assert candidates("-h", ["--help"]) == []


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (
            ["mini", "run", "--env-=x", "true"],
            2,
            "error: ambiguous option: --env- could match --env-remove, --env-file",
        ),
        (
            ["start", "--test-s=1"],
            1,
            "option '--test-s' is ambiguous; possibilities: '--test-size' '--test-start-mode'",
        ),
        (["dmesg", "--cl=1"], 1, "flux-dmesg: option '--clear' doesn't allow an argument"),
        (["jobs", "--supp=1"], 2, "argument -n/--suppress-header: ignored explicit argument"),
        (["ping", "--cou"], 1, "flux-ping: '--count' missing argument"),
        (
            ["mini", "run", "--time"],
            2,
            "error: argument -t/--time-limit: expected one argument",
        ),
        (["--ver"], 1, "option '--ver' is ambiguous; possibilities: '--version' '--verbose'"),
        (["-vx"], 1, "flux: unrecognized option '-x'"),
        (["-"], 1, "flux: unrecognized option '-'"),
    ],
)
def test_messages(
    words: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == code
    assert sentence in capsys.readouterr().err


def test_options_of_flux_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--hel"]) == 0
    assert "Common commands" in capsys.readouterr().err
    assert run(["--vers"]) == 0
    assert capsys.readouterr().out.startswith("commands:")
    assert run(["-vv", "--", "version"]) == 0
    assert capsys.readouterr().out.startswith("commands:")
