"""``flux resource`` and ``flux queue`` word by word: what today's commands print for the same
instance as 0.88 does, and what is 0.29's as long as nobody asks for more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """
[resource]
noverify = true
exclude = "h5"
[[resource.config]]
hosts = "h[0-5]"
cores = "0-3"
[[resource.config]]
hosts = "h4"
gpus = "0-1"
properties = ["debug"]
[[resource.config]]
hosts = "h[0-3]"
properties = ["batch", "fast"]
[queues.batch]
requires = ["batch"]
[queues.debug]
requires = ["debug"]
policy.limits.duration = "1h"
policy.limits.job-size.max.nnodes = 1
policy.jobspec.defaults.system.duration = "10m"
[queues.all]
[policy]
jobspec.defaults.system.queue = "batch"
limits.job-size.max.ncores = 100
limits.job-size.max.nnodes = 3
limits.job-size.min.nnodes = 1
"""
LONG = "going away for a reason longer than thirty characters"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Six brokers: h0 and h1 are drained, h2 as well and offline, h3 is draining, h4 is free, h5
    excluded.
    """
    config: Path = tmp_path_factory.mktemp("config") / "all.toml"
    config.write_text(CONFIG)
    options = ("-Stbon.fanout=8", "--test-hosts=h[0-5]", "--test-exit-mode=leader")
    with running_instance(6, f"--config-path={config}", *options) as running:
        job = running.run("submit", "-N1", "--requires=hosts:h3", "sleep", "600").stdout.strip()
        running.run("job", "wait-event", job, "start")
        running.run("resource", "drain", "h0")
        running.run("resource", "drain", "h[1-2]", "its", "fan")
        running.run("resource", "drain", "3", LONG)
        running.run("overlay", "disconnect", "2")
        running.run("resource", "eventlog", "--wait=offline")
        yield running


def _table(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


OLD_STATES = "all,online,avail,offline,exclude,drain"
NEW_STATES = f"{OLD_STATES},draining,drained,torpid,allocated,housekeeping"
SHOWN = [
    # 0.29
    (
        "status",
        "STATUS NNODES RANKS NODELIST | avail 1 4 h4 | offline 1 2 h2 | exclude 1 5 h5 | "
        "drain 4 0-3 h[0-3]",
    ),
    ("status -s drain,offline -no {state}:{ranks}", "drain:0-3 | offline:2"),
    ("drain -no {ranks}:{reason}", f"0: | 1-2:its fan | 3:{LONG}"),
    (
        "list",
        "STATE NNODES NCORES NGPUS NODELIST | free 1 4 2 h4 | allocated 1 4 0 h3 | "
        "down 5 20 0 h[0-3,5]",
    ),
    # status
    (
        "status -o today",
        "STATE UP NNODES NODELIST | avail ✔ 1 h4 | exclude ✔ 1 h5 | draining ✔ 1 h3 | "
        "drained ✔ 2 h[0-1] | drained* ✗ 1 h2",
    ),
    (
        "status -o long",
        f"STATE UP NNODES REASON NODELIST | avail ✔ 1 h4 | exclude ✔ 1 h5 | "
        f"draining ✔ 1 {LONG} h3 | drained ✔ 1 h0 | drained ✔ 1 its fan h1 | "
        f"drained* ✗ 1 its fan h2",
    ),
    (
        "status --skip-empty -s all",
        "STATE UP NNODES NODELIST | avail ✔ 1 h4 | exclude ✔ 1 h5 | allocated ✔ 1 h3 | "
        "draining ✔ 1 h3 | drained ✔ 2 h[0-1] | drained* ✗ 1 h2",
    ),
    (
        "status -no today -s all",
        "avail ✔ 1 h4 | exclude ✔ 1 h5 | allocated ✔ 1 h3 | torpid ✔ 0 | housekeeping ✔ 0 | "
        "draining ✔ 1 h3 | drained ✔ 2 h[0-1] | drained* ✗ 1 h2",
    ),
    ("status -no today -s drain,offline", "drained* ✗ 1 h2"),
    (
        "status -no today -s offline",
        "avail* ✗ 0 | exclude* ✗ 0 | torpid* ✗ 0 | housekeeping* ✗ 0 | drained* ✗ 1 h2",
    ),
    ("status -no today -s avail,offline", "avail* ✗ 0"),
    ("status -no today -s exclude,online", "exclude ✔ 1 h5"),
    ("status -n -s drained", "drained ✔ 2 h[0-1] | drained* ✗ 1 h2"),
    ("status -n -s torpid", "torpid ✔ 0"),
    ("status -n -i 1-3", "draining ✔ 1 h3 | drained ✔ 1 h1 | drained* ✗ 1 h2"),
    ("status -n -i h[0-1],h9", "drained ✔ 2 h[0-1]"),
    ("status -n -i 99", ""),
    ("status -n -i  -s exclude", "exclude ✔ 1 h5"),
    ("status -n -q debug", "avail ✔ 1 h4"),
    ("status -n -q debug -s draining", "draining ✔ 0"),
    ("status -n -q batch -i 0,4 -s drained", "drained ✔ 1 h0"),
    ("status -no {nnodes}:{up}", "5:✔ | 1:✗"),
    ("status -no {up.ascii}:{nodelist}:{status}", "y:h[0-1,3-5]:online | n:h2:offline"),
    ("status -no {reason}:{color_up} -s avail,drain", f": | {LONG}: | its fan:"),
    ("status -s drained -no sort:-state~{state}:{nnodes}", "drained*:1 | drained:2"),
    # drain
    (
        "drain -o today",
        "TIME STATE REASON NODELIST | draining going away for a reason longe+ h3 | "
        "drained h0 | drained its fan h1 | drained* its fan h2",
    ),
    (
        "drain -o long",
        f"TIME STATE RANKS REASON NODELIST | draining 3 {LONG} h3 | drained 0 h0 | "
        "drained 1 its fan h1 | drained* 2 its fan h2",
    ),
    ("drain -fuo {status}:{ranks}:{up}", "STATUS:RANKS:UP | online:0-1,3:✔ | offline:2:✗"),
    ("drain -no {state}:{reason} -i 0-2", "drained: | drained:its fan | drained*:its fan"),
    ("drain -q debug", "TIME STATE REASON NODELIST"),
    ("drain -i h9", "TIME STATE REASON NODELIST"),
    # list
    (
        "list -o today",
        "STATE QUEUE PROPERTIES NNODES NCORES NGPUS NODELIST | free debug,all 1 4 2 h4 | "
        "allocated batch,all fast 1 4 0 h3 | down batch,all fast 4 16 0 h[0-3]",
    ),
    (
        "list -no rlist -s all,all",
        "all batch,all fast 4 16 0 rank[0-3]/core[0-3] | "
        "all debug,all 1 4 2 rank4/core[0-3],gpu[0-1]",
    ),
    ("list -n -q debug", "free debug 1 4 2 h4 | allocated debug 0 0 0 | down debug 0 0 0"),
    ("list -n -q all,debug -s free", "free debug,all 1 4 2 h4"),
    ("list -n -i 0-1", "down batch,all fast 2 8 0 h[0-1]"),
    (
        "list -n -i 0-1 -s free --no-skip-empty",
        "free batch 0 0 0 | free debug 0 0 0 | free all 0 0 0",
    ),
    ("list -i 99", "STATE NNODES NCORES NODELIST"),
    ("list -no {queue}:{nnodes} --skip-empty", "debug,all:1 | batch,all:4"),
    ("list -no {properties}:{propertiesx}:{ranks}", "debug::4 | batch,fast:fast:0-3"),
    ("list -no {nnodes} -i 3-4", "2"),
    # info, R
    ("info", "5 Nodes, 20 Cores, 2 GPUs"),
    ("info -s ", "5 Nodes, 20 Cores, 2 GPUs"),
    ("info -s allocated -q debug", "0 Nodes, 0 Cores, 0 GPUs"),
    ("info -i h9", ""),
    (
        "R -s free",
        '{"version": 1, "execution": {"R_lite": [{"rank": "4", "children": {"core": "0-3", "gpu": '
        '"0-1"}}], "starttime": 0.0, "expiration": 0.0, "nodelist": ["h4"], "properties": '
        '{"debug": "4"}}}',
    ),
]
"""Commands and what they print, blanks and dates left out and ``|`` between lines."""


@pytest.mark.parametrize(("line", "out"), SHOWN, ids=[row[0] for row in SHOWN])
def test_what_is_shown(instance: Instance, line: str, out: str) -> None:
    done = instance.run("resource", *(word.replace("~", " ") for word in line.split(" ")))
    assert (done.stderr, done.returncode) == ("", 0)
    rows = _table(done.stdout)
    if line.startswith("drain -o "):
        rows = [rows[0], *(row[2:] for row in rows[1:])]
    shown = " | ".join(" ".join(row) for row in rows)
    assert shown == out


HOSTLIST = "--include: Invalid hostlist: 'x['"
QUEUE = "--queue: nosuch: no such queue"
FORMAT = "--format: No such format nosuch (Did you mean '{nosuch}'?)"
STATE = "Invalid resource state nosuch specified"
VALID = "\nflux-resource: INFO: valid states: "
REFUSED = [
    *((f"{command} -i x[", HOSTLIST) for command in ("status", "drain", "list", "info", "R")),
    *((f"{command} -q nosuch", QUEUE) for command in ("status", "drain", "list", "info", "R")),
    *((f"{command} -o nosuch", FORMAT) for command in ("status", "drain", "list")),
    *((f"{command} -s nosuch", STATE) for command in ("list", "info", "R")),
    ("list -q ", "--queue: : no such queue"),
    ("list -o ", "--format: No such format  (Did you mean ''?)"),
    ("list -s ", "Invalid resource state  specified"),
    ("R -s ", "Invalid resource state  specified"),
    ("info -s UP", "Invalid resource state UP specified"),
    ("status -s nosuch", f"{STATE}{VALID}{OLD_STATES}"),
    ("status -s nosuch,drained", f"{STATE}{VALID}{NEW_STATES}"),
    ("status -o {status}", "Unknown format field: status"),
    ("drain -fu 1", "Only one of --force and --update may be specified"),
    ("undrain 4", "[Errno 22] rank 4 not drained"),
    ("undrain 4 why", "rank 4 not drained"),
    ("undrain -f 99", "idset is out of range"),
    ("reload /nosuch", "/nosuch: No such file or directory"),
    ("reload -x /nosuch", "/nosuch: No such file or directory"),
    ("reload -x /etc", "/etc: invalid directory: no XML input files found"),
    ("reload -x /etc/passwd", "/etc/passwd: Not a directory"),
]


@pytest.mark.parametrize(("line", "err"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_refused(instance: Instance, line: str, err: str) -> None:
    done = instance.run("resource", *line.split(" "))
    told = done.stderr.split("\nflux-resource: did you mean")[0].strip()
    assert (done.stdout, told, done.returncode) == ("", f"flux-resource: ERROR: {err}", 1)


def test_colors(instance: Instance) -> None:
    done = instance.run("resource", "status", "-no", "today", "-s", "drained", "--color=always")
    assert done.stdout == (
        "     drained \033[01;32m ✔\033[0;0m      2 h[0-1]\n"
        "    drained* \033[01;31m ✗\033[0;0m      1 h2\n"
    )


def test_a_default_of_ones_own() -> None:
    names = ("LIST", "STATUS", "DRAIN")
    environment = {f"FLUX_RESOURCE_{name}_FORMAT_DEFAULT": "today" for name in names}
    with running_instance(2, environment=environment) as running:
        running.run("resource", "drain", "1", "fan")
        told = [running.run("resource", word.lower()).stdout for word in names]
        assert [_table(text)[0] for text in told] == [
            ["STATE", "NNODES", "NCORES", "NGPUS", "NODELIST"],
            ["STATE", "UP", "NNODES", "NODELIST"],
            ["TIME", "STATE", "REASON", "NODELIST"],
        ]


def test_without_a_scheduler() -> None:
    with running_instance(2) as running:
        running.run("resource", "drain", "1")
        running.run("module", "remove", "sched-simple")
        rows = _table(running.run("resource", "list", "-no", "today").stdout)
        assert [row[:2] for row in rows] == [["free", "1"], ["allocated", "0"], ["down", "1"]]
        assert running.run("resource", "info", "-s", "up").stdout.startswith("1 Nodes, ")
        plain = running.run("resource", "list", "-no", "{state} {nnodes}").stdout
        assert plain.split() == ["free", "1", "allocated", "0", "down", "1"]


def test_undrain_by_force_changes_the_reason() -> None:
    with running_instance(2) as running:
        running.run("resource", "drain", "1", "fan")
        for words in (["1", "a"], ["-u", "1", "b"], ["-f", "0-1", "c"]):
            assert running.run("resource", "undrain", *words).returncode == 0
        log = running.run("resource", "eventlog", "-i", "1").stdout
        told = [line.split(" ", 1)[1] for line in log.splitlines() if "undrain" in line]
        assert told == ['undrain idset="1" reason="a"', 'undrain idset="0-1" reason="c"']


LISTED = [
    (
        "list",
        "QUEUE EN ST TDEFAULT TLIMIT NNODES NCORES NGPUS | batch* ✔ ✔ inf inf 1-3 0-16 0-0 | "
        "debug ✔ ✔ 10m 1h 1-1 0-4 0-2 | all ✔ ✔ inf inf 1-3 0-20 0-2",
    ),
    ("list -n -o policy -q debug", "debug ✔ ✔ 10m 1h 1-1 0-100 0-inf"),
    (
        "list -o nodes -q all,batch",
        "QUEUE EN ST NODES NODES:UP NODES:DOWN NODES:ALLOC NODES:FREE | all ✔ ✔ 5 1 4 1 1 | "
        "batch* ✔ ✔ 4 0 4 1 0",
    ),
    ("list -no {queue}:{enabled.ascii}{started.ascii}", "batch:yy | debug:yy | all:yy"),
    (
        "list -no {defaults.timelimit}:{limits.timelimit}:{limits.min.nnodes}:{limits.max.ngpus}",
        "inf:inf:1:inf | 600.0:3600.0:1:inf | inf:inf:1:inf",
    ),
    ("list -no {color_enabled}{enabled}{color_off} -q all", "✔"),
    ("list -no {color_enabled}{enabled}{color_off} -q all --color", "\033[01;32m✔\033[0;0m"),
    (
        "status ",
        "batch: Job submission is enabled | batch: Scheduling is started | "
        "debug: Job submission is enabled | debug: Scheduling is started | "
        "all: Job submission is enabled | all: Scheduling is started",
    ),
    (
        "stop -m why debug",
        "debug: Scheduling is stopped: why",
    ),
    (
        "start -v debug",
        "batch: Scheduling is started | debug: Scheduling is started | "
        "all: Scheduling is started | 0 alloc requests queued | "
        "0 alloc requests pending to scheduler | 1 running jobs",
    ),
    ("disable -a -m all batch", "batch: Job submission is disabled: all"),
    ("enable -a batch", "batch: Job submission is enabled"),
]
INVALID = "'nosuch' is not a valid queue"
WRONG_QUEUES = [
    ("list -q nosuch", "No such queue: nosuch"),
    ("list -q ", "No such queue: "),
    ("list -o {nosuch}", "Unknown format field: nosuch"),
    ("list -o ", "--format: No such format  (Did you mean ''?)"),
    ("list -no {queue:d}", "Unknown format code 'd' for object of type 'str'"),
    ("status nosuch", f"status: {INVALID}"),
    ("start nosuch", f"start: {INVALID}"),
    ("stop nosuch", f"start: {INVALID}"),
    ("stop --quiet nosuch", f"start: {INVALID}"),
    ("enable nosuch", f"enable: {INVALID}"),
    ("disable -m why nosuch", f"enable: {INVALID}"),
    ("start", "Named queues are defined. Specify queues or use --all."),
    ("stop", "Named queues are defined. Specify queues or use --all."),
    ("enable", "enable: Use --all to apply this command to all queues"),
    ("disable -m why", "enable: Use --all to apply this command to all queues"),
]


def test_queues_with_names(instance: Instance) -> None:
    for line, out in LISTED:
        done = instance.run("queue", *line.split(" "))
        shown = " | ".join(" ".join(row) for row in _table(done.stdout))
        assert (shown, done.stderr, done.returncode) == (out, "", 0), line
    for line, err in WRONG_QUEUES:
        done = instance.run("queue", *line.split(" "))
        told = done.stderr.split("\nflux-queue: did you mean")[0]
        assert (told.rstrip("\n"), done.returncode) == (f"flux-queue: ERROR: {err}", 1), line


STOPPED, DISABLED = "Scheduling is stopped", "Job submission is disabled"
COUNTERS = "0 alloc requests queued\n0 alloc requests pending to scheduler\n0 running jobs\n"
NAMELESS = [
    # 0.29
    ("stop", "", "flux-queue: Scheduling is disabled\n"),
    ("status", "", "flux-queue: Job submission is enabled\nflux-queue: Scheduling is disabled\n"),
    ("disable some reason", "", "flux-queue: Job submission is disabled: some reason\n"),
    ("enable", "", "flux-queue: Job submission is enabled\n"),
    # today
    ("stop -a", f"{STOPPED}\n", ""),
    ("stop -m why", f"{STOPPED}: why\n", ""),
    ("stop -v -m why", f"{STOPPED}: why\n{COUNTERS}", ""),
    ("stop --nocheckpoint", f"{STOPPED}\n", ""),
    ("stop --quiet -m why", "", ""),
    ("start -a", "Scheduling is started\n", ""),
    ("start -av", f"Scheduling is started\n{COUNTERS}", ""),
    ("disable -a", f"{DISABLED}: disabled by administrator\n", ""),
    ("disable -v -m x", f"{DISABLED}: x\n", ""),
    ("disable --quiet -m x", "", ""),
    ("enable -v", "Job submission is enabled\n", ""),
    ("list -no {enabled}:{queue}:{limits.range.nnodes}", "✔::0-inf\n", ""),
]


def test_the_queue_without_a_name() -> None:
    with running_instance(1) as running:
        for line, out, err in NAMELESS:
            done = running.run("queue", *line.split(" "))
            assert (done.stdout, done.stderr, done.returncode) == (out, err, 0), line
        assert running.run("queue", "list").stdout.startswith(" EN ST TDEFAULT   TLIMIT ")
        error = f"flux-queue: ERROR: start: {INVALID}\n"
        assert running.run("queue", "start", "nosuch").stderr == error
