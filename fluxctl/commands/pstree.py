"""``flux pstree``: the jobs of an instance and of those below it, as a tree
(docs/todays-commands.md).
"""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Final, Unpack

import click

from flux.core.attributes import attribute_of
from flux.job.state_names import ALL_STATES
from fluxctl import completions
from fluxctl.command import echo, handle, python_failure
from fluxctl.errors import CommandError
from fluxctl.job.arguments import JOBID, JobIds
from fluxctl.json_output import json_option, print_json
from fluxctl.option_types import COUNT, Integer
from fluxctl.pstree_layout import Drawing, layout_of
from fluxctl.python_style import PythonCommand

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.job.JobID import JobID
    from fluxctl.instance_tree import Layout
    from fluxctl.job_tree import Connectors, TreeNode

DEFAULT_COUNT: Final = 1000
YES_OR_NO: Final = ("yes", "no")


class Shape(Drawing):
    """The options that say how the tree and its nodes are drawn."""

    no_combine: bool
    compact: bool
    ascii_only: bool
    long: bool
    no_header: bool
    skip_root: str | None


@click.command(
    "pstree",
    cls=PythonCommand,
    short_help="display job hierarchies",
    usage="flux-pstree [OPTIONS] [JOBID ...]",
)
@click.option("-a", "--all", "every", is_flag=True, help="Include jobs in all states.")
@click.option(
    "-c",
    "--count",
    metavar="N",
    type=COUNT,
    default=DEFAULT_COUNT,
    help=f"N jobs of each instance at most, 0 for all (default {DEFAULT_COUNT}).",
)
@click.option(
    "-f",
    "--filter",
    "filters",
    metavar="STATE|RESULT",
    help="Jobs with these states or results.",
    shell_complete=completions.job_filters,
)
@click.option("-x", "--extended", is_flag=True, help="Print details before the tree.")
@click.option("-l", "--long", is_flag=True, help="Do not cut lines at the terminal's width.")
@click.option("-L", "--level", metavar="N", type=Integer(), help="Descend N levels only.")
@click.option("-p", "--parent-ids", is_flag=True, help="Show the ids of instances.")
@click.option("-n", "--no-header", is_flag=True, help="No column headings above the details.")
@click.option("-X", "--no-combine", is_flag=True, help="Show jobs that look alike one by one.")
@click.option(
    "-o", "--label", "label_format", metavar="FORMAT", help="What to show of a job ('{name}')."
)
@click.option(
    "--parent-label", "parent_format", metavar="FORMAT", help="What to show of an instance."
)
@click.option("--detail-format", metavar="FORMAT", help="The details to print; implies -x.")
@click.option(
    "-d",
    "--details",
    metavar="NAME",
    help="Print the details default, resources, progress or stats.",
    shell_complete=completions.words(lambda: ("default", "resources", "progress", "stats")),
)
@click.option("-C", "--compact", is_flag=True, help="Draw narrow connectors.")
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw connectors in ASCII.")
@click.option(
    "--skip-root",
    metavar="[yes|no]",
    shell_complete=completions.words(lambda: YES_OR_NO),
    help="Leave out this instance itself, and those of its jobs that do not run "
    "(default: yes with details).",
)
@json_option("Print one JSON object: this instance, and the jobs in it as its children.")
@click.argument("jobids", metavar="[JOBID ...]", nargs=-1, cls=JobIds, type=JOBID)
def command(
    count: int,
    filters: str | None,
    level: int | None,
    as_json: bool,
    jobids: tuple[JobID, ...],
    **shape: Unpack[Shape],
) -> int:
    """Show my running jobs as a tree: those of this instance, and below each job that is an
    instance its own.
    """
    from fluxctl.instance_tree import InstanceTree, JobChoice
    from fluxctl.job_tree import told

    if shape["skip_root"] not in (None, *YES_OR_NO):
        raise CommandError("ERROR: --skip-root requires either 'yes' or 'no'")
    layout, header, attrs = layout_of(shape)
    if jobids and (shape["every"] or filters or count != DEFAULT_COUNT):
        echo("flux-pstree: WARNING: filtering options ignored with jobid list", err=True)
    skip = (shape["skip_root"] or ("yes" if jobids or header is not None else "no")) == "yes"
    names = ALL_STATES if shape["every"] else filters or "running"
    selection = JobChoice([name for name in names.split(",") if name], max(count, 0), attrs, level)
    tree = InstanceTree(selection, layout)
    h = handle(python_failure)
    try:
        children = tree.children(h, 0, jobids, only_running=skip and not jobids)
        root = _root(h, layout, children)
    except ValueError as exc:
        raise CommandError(f"ERROR: {exc}") from None
    except OSError as exc:
        raise CommandError(f"ERROR: {exc.strerror or exc}") from None
    if as_json:
        print_json(told(root))
    else:
        _print(root, header, shape, skip)
    if tree.truncated and count == DEFAULT_COUNT:
        text = (
            f"stopped after {DEFAULT_COUNT} jobs of an instance, the default; --count=0 shows all"
        )
        echo(f"flux-pstree: WARNING: {text}", err=True)
    for sentence in tree.unknown:
        echo(sentence, err=True)
    return 1 if tree.unknown else 0


def _root(h: Flux, layout: Layout, children: list[TreeNode]) -> TreeNode:
    """Return the node of this instance, which is drawn as a job without an id."""
    from fluxctl.instance_tree import RootJob, facts_of
    from fluxctl.job_tree import TreeNode

    size = int(attribute_of(h, "size") or 0)
    owner = int(attribute_of(h, "security.owner") or 0)
    seconds = time.time() - float(attribute_of(h, "broker.starttime") or 0)
    facts = facts_of(h) if layout.needs_facts else None
    job = RootJob(owner, size, seconds)
    known = {"uri": attribute_of(h, "local-uri"), "size": size, "userid": owner, "runtime": seconds}
    return TreeNode(layout.parent(job), layout.detail(job, facts), children, facts=known)


def _print(root: TreeNode, header: str | None, shape: Shape, skip_root: bool) -> None:
    from fluxctl.job_tree import combined, cut, drawn

    if not shape["no_combine"] and header is None:
        root = combined(root)
    width = None
    if sys.stdout.isatty() and not shape["long"]:
        width = shutil.get_terminal_size().columns
    if header is not None and not shape["no_header"]:
        echo(cut(header.rstrip(), width))
    for line in drawn(root, _connectors(shape), skip_root=skip_root):
        echo(cut(line, width))


def _connectors(shape: Shape) -> Connectors:
    from fluxctl.job_tree import ASCII, COMPACT, WIDE

    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    if shape["ascii_only"] or not encoding.startswith("utf"):
        return ASCII
    return COMPACT if shape["compact"] else WIDE


EXAMPLES = """
# Show the running jobs of this instance and of those below it
flux pstree
# Show ended ones too, and what each is
flux pstree --all --extended
# Show how far each instance is with its jobs
flux pstree --details=progress
"""
