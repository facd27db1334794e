"""Wrong command lines of the submission commands: each is refused in the words of 0.88, with its
exit code.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

from .watching import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


PER_RESOURCE = "Per-resource options can't be used with per-task options. (See --help for details)"
REFUSED = [
    ("submit -n -1 true", "task count must be a integer >= 1"),
    ("submit -n x true", "--ntasks: invalid int value 'x'"),
    ("submit -n 1.5 true", "--ntasks: invalid int value '1.5'"),
    ("submit -c -1 true", "cores per task must be an integer >= 1"),
    ("submit -c x true", "--cores-per-task: invalid int value 'x'"),
    ("run -N0 true", "node count must be an integer >= 1 (if set)"),
    ("submit -N -1 true", "task count must be a integer >= 1"),
    ("submit -N x true", "--nodes: invalid int value 'x'"),
    ("submit -g -1 true", "gpus per task must be an integer >= 0"),
    ("submit -g x true", "--gpus-per-task: invalid int value 'x'"),
    ("run -N4 -n2 true", "node count must not be greater than task count"),
    ("submit -N2 -n1 true", "node count must not be greater than task count"),
    ("run --cores=2 -c 1 true", PER_RESOURCE),
    ("run --cores=2 -n 1 true", PER_RESOURCE),
    ("run --cores=0 true", "ncores must be an integer >= 1"),
    ("run --cores=-1 true", "ncores must be an integer >= 1"),
    ("run --cores=x true", "--cores: invalid int value 'x'"),
    ("run --cores=2 --gpus-per-task=1 true", PER_RESOURCE),
    ("run --tasks-per-node=2 -n2 true", PER_RESOURCE),
    ("run --tasks-per-node=0 -N1 true", "--tasks-per-node must be >= 1"),
    ("run --tasks-per-node=-1 -N1 true", "--tasks-per-node must be >= 1"),
    ("run --tasks-per-node=2 true", "must specify node or core count with per_resource"),
    ("run --tasks-per-node=x -N1 true", "--tasks-per-node: invalid int value 'x'"),
    ("run --tasks-per-core=2 -n 4 true", PER_RESOURCE),
    ("run --tasks-per-core=2 -c 2 true", PER_RESOURCE),
    ("run --tasks-per-core=0 true", "--tasks-per-core must be >= 1"),
    ("run --tasks-per-core=-1 true", "--tasks-per-core must be >= 1"),
    (
        "run --tasks-per-core=2 --tasks-per-node=2 -N1 true",
        "Do not specify both the number of tasks per node and per core",
    ),
    ("run --gpus-per-node=1 true", "--gpus-per-node requires --nodes"),
    ("run --gpus-per-node=-1 -N1 true", "gpus_per_node must be an integer >= 0"),
    ("run --gpus-per-node=1 --gpus-per-task=1 -N1 true", PER_RESOURCE),
    ("run --cores=3 -N2 true", "number of cores must be evenly divisible by node count"),
    ("run --cores=1 -N2 true", "number of cores cannot be less than nnodes"),
    ("run --exclusive true", "exclusive can only be set with a node count"),
    ("run -x -n1 true", "exclusive can only be set with a node count"),
    ("run --urgency=77 true", "urgency range is [0:31]"),
    ("batch --urgency=77 -n1 --wrap true", "urgency range is [0:31]"),
    ("alloc --urgency=77 -n1 true", "urgency range is [0:31]"),
    ("run --dependency=afterok:xyz true", 'dependency: afterok: "xyz" is not a valid jobid'),
    (
        "batch --dependency=afterok:xyz -n1 --wrap true",
        'dependency: afterok: "xyz" is not a valid jobid',
    ),
    ("submit --begin-time=xx true", 'Invalid datetime: "xx"'),
    ("submit --begin-time=+xx true", "invalid Flux standard duration"),
    ("submit -t xx true", "invalid Flux standard duration"),
    ("submit -t -1 true", "duration must not be negative"),
    ("submit -t nan true", "duration must be a normal, finite value"),
    ("submit --requires=( true", "--requires='(': Unclosed parenthesis in position 0"),
    ("submit --requires= true", "--requires='': Unexpected end of input in ''"),
    ("submit -t 1e400 true", "duration must be a normal, finite value"),
    ("submit -t inf true", "duration must be a normal, finite value"),
    ("submit -t '' true", "invalid Flux standard duration"),
    ("run -t 5x true", "invalid Flux standard duration"),
    ("submit --setattr=^x=/nosuch true", "No such file or directory: '/nosuch'"),
    ("submit --env=^/nosuch true", "--env: No such file or directory: '/nosuch'"),
    ("submit --env='A=${B' true", "--env: Unable to substitute A=${B"),
    ("submit --env-file=/nosuch true", "--env: No such file or directory: '/nosuch'"),
    ("submit --rlimit=foo true", 'No corresponding rlimit matching "foo"'),
    ("submit --rlimit=nofile=x true", "Invalid value in nofile=x"),
    ("submit --signal=foo true", "--signal=foo: signal 'foo' is invalid"),
    ("submit --signal=SIGUSR1@x true", "--signal=SIGUSR1@x: invalid Flux standard duration"),
    ("submit --flags=foo true", "--flags: Unknown flag foo"),
    ("submit --flags= true", "--flags: Unknown flag "),
    ("submit --cc=x true", "IDset(): Invalid argument: x"),
    ("submit --cc=3-1 true", "IDset(): Invalid argument: 3-1"),
    ("submit --bcc=-1 true", "IDset(): Invalid argument: -1"),
    ("submit --cc=1 --bcc=2 true", "specify only one of --cc or --bcc"),
    ("submit --log=/nosuch/x true", "No such file or directory: '/nosuch/x'"),
    ("submit --log-stderr=/nosuch/x --wait true", "No such file or directory: '/nosuch/x'"),
    ("submit", "job command and arguments are missing"),
    ("run", "job command and arguments are missing"),
    ("bulksubmit", "no jobs provided for bulk submission"),
    ("batch", "Number of slots to allocate must be specified"),
    ("batch -n1 /nosuch", "No such file or directory: '/nosuch'"),
    ("batch -n1 /tmp", "Is a directory: '/tmp'"),
    ("batch -n0 --wrap true", "Number of slots to allocate must be specified"),
    ("batch -N2 -n1 --wrap true", "node count must not be greater than task count"),
    ("batch -n1 -c 0 --wrap true", "cores per task must be an integer >= 1"),
    ("batch -n1 --dump --conf=x --wrap true", "--conf: named config 'x' not found"),
    (
        "batch -n1 --conf=/nosuch.toml --wrap true",
        "--conf: [Errno 2] No such file or directory: '/nosuch.toml'",
    ),
    ("alloc", "Number of slots to allocate must be specified"),
    ("alloc -n0 true", "Number of slots to allocate must be specified"),
    ("alloc -N2 -n1 true", "node count must not be greater than task count"),
    ("submit --resources-json=/nosuch true", "No such file or directory: '/nosuch'"),
    ("submit --resources-json='{}' true", "No such file or directory: '{}'"),
]
"""Command lines, and what follows the name of the command and ``ERROR:``."""
TOLD = [
    ("submit --urgency=32 true", "[Errno 22] urgency range is [0:31]"),
    ("submit --urgency=-1 true", "[Errno 22] urgency range is [0:31]"),
    ("submit --dependency=x true", '[Errno 22] dependency scheme "x" not supported'),
    ("submit --dependency=foo:bar true", '[Errno 22] dependency scheme "foo" not supported'),
    ("submit --dependency=afterok true", '[Errno 22] dependency: afterok: "" is not a valid jobid'),
    (
        "submit --dependency=afterok: true",
        '[Errno 22] dependency: afterok: "" is not a valid jobid',
    ),
    (
        "submit --dependency=afterok:xyz true",
        '[Errno 22] dependency: afterok: "xyz" is not a valid jobid',
    ),
    (
        "submit --dependency=afterok:f123 true",
        "[Errno 22] dependency: afterok: id f123: job not found",
    ),
    ("submit --dependency='foo:bar?x=1' true", '[Errno 22] dependency scheme "foo" not supported'),
    ("submit -q foo true", "[Errno 22] 'foo' is not a valid queue"),
    ("submit --queue= true", "[Errno 22] '' is not a valid queue"),
    ("submit --input=0-1 true", "flux: ERROR: per-task input not supported for submit"),
]
"""Those with messages that name no command."""
NEVER = [
    ("run -g 1 true", "need 1 slot(s) with 1 GPU(s) each, only 0 available (total GPUs: 0)"),
    ("run --gpus-per-node=1 -N1 true", "need 1 exclusive node(s), only 0 eligible"),
    (
        "run -n10000 true",
        "need 10000 slot(s) of 1 core(s), only 4 such slot(s) available (total cores: 4)",
    ),
    ("run -N3 true", "need 3 exclusive node(s), only 2 eligible"),
    (
        "run -c 10000 true",
        "need 1 slot(s) of 10000 core(s), only 0 such slot(s) available (total cores: 4)",
    ),
]
"""Requests that can never be met, and what they need."""
USAGE = [
    (
        "batch -n1 --cores-per-slot=x --wrap true",
        "flux batch: error: argument -c/--cores-per-slot: invalid int value: 'x'",
    ),
    (
        "batch -n1 -g x --wrap true",
        "flux batch: error: argument -g/--gpus-per-slot: invalid int value: 'x'",
    ),
    ("submit --nosuch true", "flux submit: error: unrecognized arguments: --nosuch"),
    ("submit --conf=foo true", "flux submit: error: unrecognized arguments: --conf=foo"),
    ("run -vvvv --nosuch", "flux run: error: unrecognized arguments: --nosuch"),
]
"""Usage errors, and what follows the line with the usage."""


def told(instance: Instance, line: str) -> tuple[str, str, int]:
    done = instance.run(*shlex.split(line), timeout=PATIENCE)
    return done.stdout, done.stderr, done.returncode


@pytest.mark.parametrize(("line", "text"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_refused(instance: Instance, line: str, text: str) -> None:
    assert told(instance, line) == ("", f"flux-{line.split()[0]}: ERROR: {text}\n", 1)


@pytest.mark.parametrize(("line", "text"), TOLD, ids=[row[0] for row in TOLD])
def test_what_the_broker_refuses(instance: Instance, line: str, text: str) -> None:
    assert told(instance, line) == ("", f"{text}\n", 1)


@pytest.mark.parametrize(("line", "need"), NEVER, ids=[row[0] for row in NEVER])
def test_what_can_never_run(instance: Instance, line: str, need: str) -> None:
    out, err, code = told(instance, line)
    err = re.sub(r"cores: \d+|only \d+ such", "", err)  # of this machine
    need = re.sub(r"cores: \d+|only \d+ such", "", need)
    err = re.sub(r"^\d+\.\d+s: job.exception ƒ\w+ type=alloc severity=0 ", "", err)
    assert (out, err, code) == ("", f"unsatisfiable request: {need}\n", 1)


@pytest.mark.parametrize(("line", "text"), USAGE, ids=[row[0] for row in USAGE])
def test_usage(instance: Instance, line: str, text: str) -> None:
    out, err, code = told(instance, line)
    name = line.split()[0]
    words = "[SCRIPT] [ARGS...]" if name == "batch" else "COMMAND [ARGS...]"
    assert (out, err, code) == ("", f"usage: flux {name} [OPTIONS...] {words}\n{text}\n", 2)


def test_the_older_spelling_keeps_its_words(instance: Instance) -> None:
    for line, text in (
        ("mini submit --dependency=x true", 'Invalid dependency URI "x"'),
        ("mini submit --env=^/nosuch true", "[Errno 2] No such file or directory: '/nosuch'"),
        ("mini batch -n0 --wrap true", "task count must be a integer >= 1"),
        ("mini batch -n1 -c x --wrap true", "--cores-per-slot: invalid int value 'x'"),
    ):
        assert told(instance, line) == ("", f"flux-mini: ERROR: {text}\n", 1)
