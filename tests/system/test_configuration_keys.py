"""Each key of docs/configuration.md is tried, and something shows what it does."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import math
import os
import pathlib
import pwd
import re
import socket
import sqlite3
import subprocess
import tempfile
from typing import TYPE_CHECKING

import pytest
import zmq

from broker.attributes import Attributes
from broker.configuration import Config
from broker.configuration.tables import AccessConfig, TbonConfig
from broker.endpoint import ServiceHost
from broker.log import LogRing
from broker.overlay.sockets import Tuning
from broker.router import Router
from broker.services.connector_local.service import ConnectorLocalService
from broker.topology import Topology
from flux.core.handle import Flux
from flux.job.Jobspec import JobspecV1
from flux.job.stats import JobStats
from flux.job.submit import submit_async
from flux.testing.instance import Instance, default_flux, running_instance
from tests.system.watching import free_port, until, until_equal, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Test = Callable[..., object]

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "configuration.md"
SHOWN: set[str] = set()
NOBODY = 65534


def shows(*keys: str) -> Callable[[Test], Test]:
    """Note that a test shows what keys do."""
    SHOWN.update(keys)
    return lambda test: test


def keys_of_the_page() -> set[str]:
    """The keys in the tables of the page, with the names of their sections."""
    found, section = set(), ""
    for line in PAGE.read_text("utf-8").splitlines():
        if match := re.match(r"## `\[(.*)\]`", line):
            section = match[1]
        elif section and (match := re.match(r"\| `([A-Za-z0-9._-]+)` \| ", line)):
            found.add(f"{section}.{match[1]}")
    return found


@contextlib.contextmanager
def configured(folder: pathlib.Path, text: str, *options: str, size: int = 1) -> Iterator[Instance]:
    """An instance with one file of configuration."""
    path = folder / "conf"
    path.mkdir(mode=0o755)
    (path / "a.toml").write_text(text)
    with running_instance(size, f"--config-path={path}", *options) as instance:
        yield instance


def reload(folder: pathlib.Path, instance: Instance, text: str) -> str:
    """Have an instance read another text; what that says."""
    (folder / "conf" / "a.toml").write_text(text)
    return instance.run("config", "reload").stderr


def test_every_key_of_the_page_is_shown() -> None:
    assert len(keys_of_the_page()) > 25
    assert keys_of_the_page() == SHOWN


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
@shows("access.allow-guest-user")
def test_guests(tmp_path: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory(prefix="cfg-", dir="/tmp") as rundir:
        os.chmod(rundir, 0o711)
        with configured(tmp_path, "", f"-o,-Srundir={rundir}") as instance:

            def guest() -> bool:
                return verdict(NOBODY, instance.uri) == 0

            assert not guest()
            assert reload(tmp_path, instance, "[access]\nallow-guest-user = true\n") == ""
            assert guest()
            assert reload(tmp_path, instance, "") == ""
            assert not guest()


@shows("exec.kill-timeout")
def test_tasks_that_do_not_end_are_killed_after_the_kill_timeout(tmp_path: pathlib.Path) -> None:
    with configured(tmp_path, '[exec]\nkill-timeout = "0.1s"\n') as instance:
        assert "using kill-timeout of 0.1s" in instance.run("dmesg").stdout
        reload(tmp_path, instance, '[exec]\nkill-timeout = "0.2s"\n')
        assert "using kill-timeout of 0.2s" in instance.run("dmesg").stdout
        script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
        job = instance.run("mini", "submit", "sh", "-c", script).stdout.strip()
        instance.run("job", "wait-event", "-p", "guest.output", job, "data")
        instance.run("job", "cancel", job)
        assert instance.run("job", "wait-event", "-t", "30", job, "clean").returncode == 0
        events = instance.run("job", "eventlog", job).stdout
        assert "status=9" in events or "status=35072" in events


@shows(
    "ingest.validator.plugins",
    "ingest.validator.args",
    "ingest.validator.workers",
    "ingest.validator.disable",
)
def test_validators(tmp_path: pathlib.Path) -> None:
    service = "--feasibility-service=sched.feasibility"
    table = f'[ingest.validator]\nplugins = ["feasibility"]\nargs = ["{service}"]\nworkers = 1\n'
    with configured(tmp_path, table) as instance:
        for _ in range(4):
            refused = instance.run("mini", "submit", "-n5000", "true")
            assert refused.returncode == 1
            assert "request is not satisfiable" in refused.stderr
        pid = int(instance.run("getattr", "broker.pid").stdout)
        until(lambda: len(validators_below(pid)) == 1)
        (worker,) = validators_below(pid)
        assert worker.endswith(f"--plugins=feasibility {service}")
        assert reload(tmp_path, instance, table + "disable = true\n") == ""
        assert instance.run("mini", "submit", "-n5000", "true").returncode == 0
        until(lambda: not validators_below(pid))


def validators_below(pid: int) -> list[str]:
    """The processes that check jobspecs for a broker."""
    done = subprocess.run(
        ["ps", "-ww", "--ppid", str(pid), "-o", "args="],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return [line for line in done.stdout.splitlines() if "flux.job.validator" in line]


@shows("ingest.batch-count")
def test_batches_of_submissions(tmp_path: pathlib.Path) -> None:
    with configured(tmp_path, "[ingest]\nbatch-count = 1\n") as instance, Flux(instance.uri) as h:

        def requests(count: int) -> int:
            """Submit jobs; returns how many requests job-ingest sent meanwhile."""
            asked = "#request (tx)"
            before = h.rpc("job-ingest.stats.get").get()[asked]
            spec = JobspecV1.from_command(["true"])
            for job in [submit_async(h, spec, urgency=0) for _ in range(count)]:
                job.get_id()
            return int(h.rpc("job-ingest.stats.get").get()[asked] - before)

        assert requests(100) >= 100
        assert reload(tmp_path, instance, "") == ""
        assert requests(100) < 100


@shows("job-manager.inactive-age-limit", "job-manager.inactive-num-limit")
def test_limits_of_inactive_jobs(tmp_path: pathlib.Path) -> None:
    table = "[job-manager]\ninactive-num-limit = 2\n"
    with configured(tmp_path, table, "-o,-Sheartbeat.period=0.1s") as instance:

        def jobs() -> int:
            return len(instance.run("jobs", "-a", "-n").stdout.splitlines())

        assert instance.run("mini", "submit", "--wait", "--cc=1-5", "true").returncode == 0
        until_equal(jobs, 2)
        assert reload(tmp_path, instance, '[job-manager]\ninactive-age-limit = "0.1s"\n') == ""
        until_equal(jobs, 0)


PLUGIN = """
from broker.jobtap.plugin import Rejected

def flux_plugin_init(plugin):
    word = (plugin.conf or {}).get("word", "nothing")
    def validate(plugin, topic, args):
        raise Rejected("says " + word)
    plugin.add_handler("job.validate", validate)
"""


@shows("job-manager.plugins")
def test_plugins(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "says.py"
    path.write_text(PLUGIN)
    table = (
        "[job-manager]\nplugins = [\n"
        '  {{ remove = ".begin-time" }}, {{ load = "{}", conf = {{ word = "{}" }} }} ]\n'
    )
    with configured(tmp_path, table.format(path, "one")) as instance:
        assert instance.run("jobtap", "list", "-a").stdout.split() == [
            ".priority-default",
            ".dependency-after",
            "says.py",
        ]
        assert "says one" in instance.run("mini", "submit", "true").stderr
        assert reload(tmp_path, instance, table.format(path, "two")) == ""
        assert "says two" in instance.run("mini", "submit", "true").stderr
        said = reload(tmp_path, instance, '[job-manager]\nplugins = [{load = "nosuch.py"}]\n')
        assert said == (
            f"flux-config: reload: job-manager: Config file error: {tmp_path}/conf/a.toml:2:"
            " job-manager.plugins[0]: nosuch.py: No such plugin found\n"
        )
        assert "says two" in instance.run("mini", "submit", "true").stderr
        assert reload(tmp_path, instance, "") == ""
        assert instance.run("mini", "run", "true").returncode == 0


def test_a_plugin_that_cannot_be_removed_fails_the_start(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.toml").write_text('[job-manager]\nplugins = [{remove = "notfound.so"}]\n')
    done = subprocess.run(
        [default_flux(), "start", f"--config-path={tmp_path}", "true"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    said = "job-manager.plugins[0]: remove notfound.so: Failed to find plugin to remove"
    assert said in done.stderr


@shows("resource.exclude")
def test_excluded_ranks(tmp_path: pathlib.Path) -> None:
    with configured(tmp_path, '[resource]\nexclude = "0"\n', size=2) as instance:

        def status() -> list[str]:
            form = ("-n", "-o", "{state} {ranks}")
            return instance.run("resource", "status", *form).stdout.splitlines()

        until_equal(status, ["avail 1", "exclude 0"])
        down = ("-n", "-s", "down", "-o", "{nnodes} {ranks}")
        assert instance.run("resource", "list", *down).stdout == "1 0\n"
        hosts = instance.run("mini", "run", "flux", "getattr", "rank").stdout
        assert hosts == "1\n"
        assert instance.run("mini", "submit", "-N2", "-n2", "true").returncode == 0
        reload(tmp_path, instance, "")
        until_equal(status, ["avail 0-1"])
        assert instance.run("mini", "run", "-N2", "-n2", "true").returncode == 0
        said = reload(tmp_path, instance, '[resource]\nexclude = "0-4"\n')
        assert said.startswith("flux-config: reload: resource: Config file error: ")
        assert said.endswith(":2: resource.exclude: exclusion idset is out of range\n")
        log = instance.run("kvs", "get", "resource.eventlog").stdout
        assert '"name":"unexclude","context":{"idset":"0"}' in log


@shows("resource.path", "resource.noverify")
def test_resources_of_a_file(tmp_path: pathlib.Path) -> None:
    execution = {
        "R_lite": [{"rank": "0", "children": {"core": "0-4999"}}],
        "nodelist": [socket.gethostname()],
        "starttime": 0,
        "expiration": 0,
    }
    text = json.dumps({"version": 1, "execution": execution})
    (tmp_path / "R").write_text(text)
    table = f'[resource]\npath = "{tmp_path}/R"\nnoverify = true\n'
    with configured(tmp_path, table) as instance:
        listed = instance.run("resource", "list", "-n", "-s", "free", "-o", "{ncores}")
        assert listed.stdout.strip() == "5000"
        assert instance.run("kvs", "get", "--raw", "resource.R").stdout == text
    verified = tmp_path / "verified"
    verified.mkdir()
    with configured(verified, table.replace("true", "false")) as instance:
        assert "missing resources: core[" in instance.run("resource", "drain").stdout


@shows("resource.norestrict")
def test_processors_that_the_broker_is_not_bound_to(tmp_path: pathlib.Path) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two processors")
    found = []
    for value in ("false", "true"):
        folder = tmp_path / value
        folder.mkdir()
        (folder / "a.toml").write_text(f"[resource]\nnorestrict = {value}\n")
        program = ("flux", "resource", "list", "-n", "-s", "all", "-o", "{ncores}")
        done = subprocess.run(
            ["taskset", "-c", "0", default_flux(), "start", f"--config-path={folder}", *program],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        found.append(int(done.stdout))
    assert found[0] < found[1]


NODES = """
[resource]
noverify = true
config = [
    { hosts = "n[0-3]", cores = "0-1" },
    { hosts = "n[0-1]", properties = ["small"] },
    { hosts = "n[2-3]", properties = ["big"], gpus = "0-1" },
]
"""


@shows("resource.config", "queues.NAME.requires", "policy.jobspec.defaults.system.queue")
def test_queues_on_nodes_of_their_own(tmp_path: pathlib.Path) -> None:
    text = (
        '[queues.small]\nrequires = ["small"]\n[queues.big]\nrequires = ["big"]\n'
        '[policy.jobspec.defaults.system]\nqueue = "big"\n'
    )
    with configured(tmp_path, text + NODES, size=4) as instance:
        listed = instance.run(
            "resource", "list", "-n", "-s", "all", "-o", "{queue} {ranks} {ngpus}"
        )
        assert listed.stdout.splitlines() == ["small 0-1 0", "big 2-3 4"]
        where = ("flux", "getattr", "rank")
        assert instance.run("mini", "run", "-q", "small", "-N1", *where).stdout in ("0\n", "1\n")
        assert instance.run("mini", "run", *where).stdout in ("2\n", "3\n")
        queues = instance.run("jobs", "-a", "-n", "-o", "{queue}").stdout.splitlines()
        assert queues == ["big", "small"]
        with Flux(instance.uri) as handle:
            for queue in queues:
                stats = JobStats(handle, queue)
                stats.update_sync()
                assert (stats.total, stats.successful) == (1, 1)
        said = instance.run("mini", "submit", "--queue=nosuch", "true").stderr
        assert said == "[Errno 1] Invalid queue 'nosuch' specified\n"


@shows(
    "policy.jobspec.defaults.system.duration",
    "policy.limits.duration",
    "policy.limits.job-size.max.nnodes",
    "policy.limits.job-size.max.ncores",
    "policy.limits.job-size.max.ngpus",
    "policy.limits.job-size.min.nnodes",
    "policy.limits.job-size.min.ncores",
    "policy.limits.job-size.min.ngpus",
    "policy.access.allow-user",
    "policy.access.allow-group",
    "queues.NAME.policy",
)
def test_what_jobs_may_ask_for(tmp_path: pathlib.Path) -> None:
    text = """
[policy]
jobspec.defaults.system.duration = "1m"
limits.duration = "1h"
limits.job-size.max = { nnodes = 1, ncores = 2, ngpus = 0 }
access.allow-group = ["nosuchgroup"]
[queues.open.policy]
limits = { duration = "0", job-size = { max = { nnodes = -1, ngpus = -1 } } }
access.allow-user = ["%s"]
[queues.closed]
[queues.least.policy]
limits.job-size.max = { nnodes = -1, ncores = -1, ngpus = -1 }
limits.job-size.min = { nnodes = 2, ncores = 4, ngpus = 1 }
access.allow-user = ["%s"]
"""
    me = pwd.getpwuid(os.getuid()).pw_name
    with configured(tmp_path, text % (me, me) + NODES, size=4) as instance:

        def refusal(queue: str, *options: str) -> str:
            done = instance.run("mini", "submit", f"--queue={queue}", *options, "true")
            return done.stderr.removeprefix("[Errno 22] ").strip()

        assert f"user {me} may not submit" in refusal("closed")
        assert refusal("open", "-n3").startswith("requested ncores (3) exceeds policy limit of 2")
        assert refusal("least", "-n4") == (
            "requested nnodes (0) is under policy limit of 2 for queue least"
        )
        assert refusal("least", "-N2", "-n2").startswith("requested ncores (2) is under policy")
        assert refusal("least", "-N2", "-n2", "-c2").startswith("requested ngpus (0) is under")
        assert refusal("least", "-N2", "-n2", "-c2", "-g1", "-t2h") == (
            "requested duration (2h) exceeds policy limit of 1h for queue least"
        )
        assert refusal("open", "-t2h", "-N2", "-n2") == ""
        assert refusal("least", "-N2", "-n2", "-c2", "-g1") == ""
        job = instance.run("jobs", "-a", "-n", "-q", "least", "-o", "{id}").stdout.strip()
        spec = json.loads(instance.run("job", "info", job, "jobspec").stdout)
        assert spec["attributes"]["system"]["duration"] == 60.0
        limits = text.replace("[queues.closed]\n", "").replace("nnodes = 1,", "nnodes = 0,")
        assert reload(tmp_path, instance, limits % (me, me) + NODES) == ""
        assert "Invalid queue 'closed' specified" in refusal("closed")


SITE_PLUGIN = """
import slurm
plugin_name, plugin_type = "site", "site_factor/mine"
def init(): pass
def fini(): pass
def site_factor_p_reconfig(): pass
def site_factor_p_update(): pass
def site_factor_p_set(job):
    job.site_factor = slurm.NICE_OFFSET + int(slurm.conf.PrioritySiteFactorParameters)
    while job.name == "loop": pass
"""
PRIORITY = """
[queues]
all = {{}}
hot = {{}}
[priority]
type = "multifactor"
calc-period = "1h"
max-age = "1ms"
decay-half-life = "0s"
usage-reset-period = "yearly"
fairshare-dampening-factor = 2
flags = ["NO_FAIR_TREE"]
favor-small = true
default-account = "d"
default-qos = "low"
site-factor-plugin = "site_factor/mine"
site-factor-path = ["{folder}"]
site-factor-parameters = "70000000"
site-factor-timeout = "30s"
[priority.weight]
age = 1
assoc = 20
fairshare = 3000
job-size = 0
partition = 400000
qos = 5000000
urgency = 100000000
tres.node = 600000000
[priority.queue]
all = 1
hot = 2
[priority.qos]
low = {{ priority = 0 }}
high = {{ priority = 7, allow-user = ["root"] }}
[priority.account]
d = {{ priority = 1 }}
e = {{ priority = 2, parent = "d", shares = 5, user = {{ root = 1 }} }}
"""


@shows(
    *(f"priority.weight.{name}" for name in ("age", "assoc", "fairshare", "partition", "qos")),
    *("priority.weight.urgency", "priority.weight.tres", "priority.queue.NAME"),
    *("priority.qos.NAME.priority", "priority.qos.NAME.allow-user"),
    *(f"priority.account.NAME.{name}" for name in ("parent", "shares", "priority", "user")),
    *("priority.type", "priority.calc-period", "priority.max-age", "priority.decay-half-life"),
    *("priority.usage-reset-period", "priority.fairshare-dampening-factor", "priority.flags"),
    *("priority.default-account", "priority.default-qos", "priority.favor-small"),
    *(f"priority.site-factor-{name}" for name in ("plugin", "path", "parameters", "timeout")),
    "priority.weight.job-size",
)
def test_what_priorities_are_made_of(tmp_path: pathlib.Path) -> None:
    (tmp_path / "site_factor_mine.py").write_text(SITE_PLUGIN)
    text = PRIORITY.format(folder=tmp_path)
    with configured(tmp_path, text, size=2) as instance:
        cores = 2 * len(os.sched_getaffinity(0))
        instance.run("mini", "submit", "--queue=all", f"-n{cores}", "--urgency=31", "sleep", "inf")

        def submit(*words: str) -> str:
            done = instance.run("mini", "submit", *words)
            return done.stdout.strip() or done.stderr.strip()

        def priorities() -> list[int]:
            """Priorities without fair share, which users without accounts of their own share."""
            shown = instance.run("priority", "-h", "--json").stdout
            jobs = [json.loads(line) for line in shown.splitlines()]
            return [math.ceil(job["priority"] - 3000 * job["fairshare"] - 1e-6) for job in jobs]

        plain = submit("--queue=hot", "-n1", "true")
        # age, association 1 of 2, queue 2 of 2, no QOS, the site, a node of two.
        until_equal(priorities, [1 + 10 + 400000 + 70000000 + 300000000])
        more = ("--setattr=system.bank=e", "--setattr=system.qos=high", "--urgency=17")
        submit("--queue=all", "-N2", "-n2", *more, "true")
        other = 1 + 20 + 200000 + 5000000 + 70000000 + 100000000 + 600000000
        until_equal(lambda: priorities()[-1], other)
        assert "there is no QOS x: there are low, high" in submit(
            "--queue=all", "--setattr=system.qos=x", "true"
        )
        share = ("priority", "-h", "-o", "%f")
        until(lambda: 0.0 < float(instance.run(*share).stdout.split()[0]) < 0.99)  # classic
        small = text.replace("job-size = 0", "job-size = 1000")
        assert reload(tmp_path, instance, small.replace("tres.node = 600000000", "")) == ""
        size = int(1000 * (1 - (0.5 + 1 / cores) / 2))
        until_equal(lambda: priorities()[0], 1 + 10 + 400000 + size + 70000000)
        blocked = small.replace('"30s"', '"0.1s"')
        assert reload(tmp_path, instance, blocked) == ""
        loop = submit("--queue=all", "--setattr=system.job.name=loop", "true")
        assert instance.run("job", "wait-event", "-t30", loop, "priority").returncode == 0
        assert "took more than 0.1 seconds" in instance.run("dmesg").stdout
        basic = small.replace('"multifactor"', '"basic"')
        assert reload(tmp_path, instance, basic) == ""
        assert instance.run("priority").returncode == 1
        until_equal(
            lambda: instance.run("jobs", "-n", "-o", "{priority}", plain).stdout.strip(), "16"
        )


@shows("sched-simple.alloc-mode", "sched-simple.queue-policy")
def test_how_nodes_are_chosen_and_who_may_overtake(tmp_path: pathlib.Path) -> None:
    text = '[sched-simple]\nalloc-mode = "best-fit"\n'
    with configured(tmp_path, text + NODES, size=4) as instance:
        where = ("flux", "getattr", "rank")
        first = instance.run("mini", "submit", "--requires=rank:1", "sleep", "inf").stdout.strip()
        instance.run("job", "wait-event", first, "start")
        assert instance.run("mini", "run", *where).stdout == "1\n"
        wide = instance.run("mini", "submit", "-n8", "-t1m", "true").stdout.strip()
        instance.run("job", "cancel", first)
        instance.run("job", "wait-event", wide, "clean")
        long = instance.run("mini", "submit", "-n7", "-t1h", "sleep", "inf").stdout.strip()
        instance.run("job", "wait-event", long, "start")
        wide = instance.run("mini", "submit", "-n8", "-t1m", "true").stdout.strip()
        short = instance.run("mini", "submit", "-n1", "-t1m", "true").stdout.strip()
        reason = instance.run("jobs", "-n", "-o", "{reason}", short).stdout
        assert reason == f"behind job {wide}\n"
        assert reload(tmp_path, instance, '[sched-simple]\nqueue-policy = "easy"\n' + NODES) == ""
        assert instance.run("job", "wait-event", short, "clean").returncode == 0
        form = ("-n", "-o", "{reason} {sched.t_estimate}", wide)
        said = instance.run("jobs", *form).stdout
        assert re.fullmatch(r"insufficient resources, eta [0-9.]+m [0-9.]+\n", said)


@shows("sched-simple.mode")
def test_mode_of_the_scheduler(tmp_path: pathlib.Path) -> None:
    with (
        configured(tmp_path, '[sched-simple]\nmode = "limited=2"\n') as instance,
        Flux(instance.uri) as h,
    ):

        def pending() -> int:
            query = {"query_only": True, "enable": True, "reason": ""}
            return int(h.rpc("job-manager.alloc-admin", query).get()["alloc_pending"])

        count = 8 + len(os.sched_getaffinity(0))
        instance.run("mini", "submit", f"--cc=1-{count}", "sleep", "inf")
        until_equal(pending, 2)
        assert reload(tmp_path, instance, '[sched-simple]\nmode = "limited=5"\n') == ""
        until_equal(pending, 5)


@shows(
    "tbon.connect_timeout",
    "tbon.keepalive_count",
    "tbon.keepalive_idle",
    "tbon.keepalive_interval",
    "tbon.tcp_user_timeout",
    "bootstrap.enable_ipv6",
)
def test_what_is_set_on_the_sockets_of_the_tree() -> None:
    table = TbonConfig(
        connect_timeout=1.5,
        keepalive_count=3,
        keepalive_idle=30,
        keepalive_interval=10,
        tcp_user_timeout=120.0,
    )
    context = zmq.Context()
    try:
        with context.socket(zmq.DEALER) as tuned, context.socket(zmq.DEALER) as plain:
            Tuning.of(table, ipv6=True).apply(tuned)
            Tuning.of(TbonConfig(), ipv6=False).apply(plain)
            options = {
                zmq.CONNECT_TIMEOUT: (1500, 0),
                zmq.TCP_KEEPALIVE: (1, -1),
                zmq.TCP_KEEPALIVE_CNT: (3, -1),
                zmq.TCP_KEEPALIVE_IDLE: (30, -1),
                zmq.TCP_KEEPALIVE_INTVL: (10, -1),
                zmq.TCP_MAXRT: (120_000, 0),
                zmq.IPV6: (1, 0),
            }
            for option, (with_table, without) in options.items():
                assert tuned.getsockopt(option) == with_table, option
                assert plain.getsockopt(option) == without, option
    finally:
        context.term()


@shows("tbon.zmqdebug")
def test_debugging_the_sockets(tmp_path: pathlib.Path) -> None:
    with configured(tmp_path, "[tbon]\nzmqdebug = 1\n") as instance:
        assert instance.run("getattr", "tbon.zmqdebug").stdout == "1\n"


@shows(
    "bootstrap.curve_cert",
    "bootstrap.default_bind",
    "bootstrap.default_connect",
    "bootstrap.default_port",
    "bootstrap.hosts",
)
def test_brokers_find_each_other_by_the_configuration(tmp_path: pathlib.Path) -> None:
    port = free_port()
    subprocess.run([default_flux(), "keygen", f"{tmp_path}/cert"], check=True, timeout=60)
    table = (
        f'[bootstrap]\ncurve_cert = "{tmp_path}/cert"\ndefault_port = {port}\n'
        'default_bind = "tcp://127.0.0.1:%p"\ndefault_connect = "tcp://localhost:%p"\n'
        'hosts = [{ host = "fake[0-2]" }]\n'
    )
    with configured(tmp_path, table, "--test-hosts=fake[0-2]", size=3) as instance:
        assert instance.run("getattr", "size").stdout == "3\n"
        assert instance.run("getattr", "config.hostlist").stdout == "fake[0-2]\n"
        assert instance.run("getattr", "tbon.endpoint").stdout == f"tcp://127.0.0.1:{port}\n"
        below = instance.run("exec", "-r2", "flux", "getattr", "tbon.parent-endpoint").stdout
        assert below == f"tcp://localhost:{port}\n"
        assert instance.run("mini", "run", "-N3", "-n3", "true").returncode == 0
        nodes = instance.run("resource", "list", "-n", "-s", "all", "-o", "{nodelist}").stdout
        assert nodes == "fake[0-2]\n"


@shows("access.allow-root-owner")
async def test_root_as_owner() -> None:
    for allowed in (False, True):
        ring = LogRing(0, Attributes())
        config = Config(access=AccessConfig(allow_root_owner=allowed))
        router = Router(Topology(0, 1), asyncio.get_running_loop().call_soon)
        ctx, endpoint = ServiceHost(router, Attributes(), ring, 1000, config=config).context("x")
        connector = ConnectorLocalService(ctx, router)
        assert connector.is_owner(1000)
        assert connector.is_owner(0) is allowed
        assert not connector.is_owner(1001)
        assert connector.verdict(0) == (0 if allowed else errno.EPERM)
        await endpoint.handle.close()


@shows("archive.dbpath", "archive.period")
def test_ended_jobs_are_archived_and_outlive_their_purge(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "archive.sqlite"

    def archived() -> list[str]:
        with contextlib.closing(sqlite3.connect(path)) as db:
            return [name for (name,) in db.execute("SELECT id FROM jobs ORDER BY t_inactive")]

    table = f'[archive]\ndbpath = "{path}"\nperiod = "0.1s"\n'
    with configured(tmp_path, table, size=2) as instance:
        assert "job-archive" in instance.run("module", "list").stdout
        jobid = instance.run("mini", "submit", "-N2", "-n2", "true").stdout.strip()
        number = instance.run("job", "id", "--to=dec", jobid).stdout.strip()
        until(lambda: archived() == [number])
        assert instance.run("job", "purge", "--force", "--num-limit=0").returncode == 0
        assert instance.run("jobs", "-an").stdout == ""
        # The last job of the instance ends, and is archived, at the end of the instance.
        assert reload(tmp_path, instance, table.replace("0.1s", "1h")) == ""
        last = instance.run("mini", "submit", "sleep", "inf").stdout.strip()
        last = instance.run("job", "id", "--to=dec", last).stdout.strip()
        assert instance.run("module", "list").stdout.count("job-archive") == 1
    assert archived() == [number, last]
    with contextlib.closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT ranks, t_run > 0, eventlog, jobspec, R FROM jobs").fetchone()
    assert found[:2] == ("[0-1]", 1)
    assert found[2].count('"name":"alloc"') == 1
    assert json.loads(found[3])["tasks"][0]["command"] == ["true"]
    assert json.loads(found[4])["version"] == 1


@shows("archive.busytimeout")
def test_the_archive_waits_for_others_that_use_its_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "archive.sqlite"
    table = f'[archive]\ndbpath = "{path}"\nperiod = "0.05s"\nbusytimeout = "BUSY"\n'
    for busy, failed in (("0s", True), ("1h", False)):
        (tmp_path / busy).mkdir()
        with configured(tmp_path / busy, table.replace("BUSY", busy)) as instance:
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                before = instance.run("mini", "run", "true").returncode
                assert before == 0
                if failed:
                    until(lambda: "database is locked" in instance.run("dmesg").stdout)
                other.execute("ROLLBACK")
            assert ("database is locked" in instance.run("dmesg").stdout) == failed


def test_an_archive_that_cannot_be_opened_fails_the_start(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.toml").write_text(f'[archive]\ndbpath = "{tmp_path}/none/archive"\n')
    argv = [str(default_flux()), "start", f"--config-path={tmp_path}", "true"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"job archive {tmp_path}/none/archive: No such file or directory" in done.stderr


@shows("kvs.checkpoint-period")
def test_the_period_of_checkpoints(tmp_path: pathlib.Path) -> None:
    with (
        configured(tmp_path, '[kvs]\ncheckpoint-period = "1h"\n') as instance,
        Flux(instance.uri) as handle,
    ):

        def written() -> int:
            """The number of the root in the store; 0 if none was written."""
            try:
                answer = handle.rpc("kvs-checkpoint.get", {"key": "kvs-primary"}).get()
            except FileNotFoundError:
                return 0
            return int(answer["value"]["sequence"])

        instance.run("kvs", "put", "mark=1")
        before = written()
        assert before < int(instance.run("kvs", "version").stdout)
        instance.run("kvs", "put", "--sync", "other=1")  # does not wait for the period
        until(lambda: written() > before)
        assert reload(tmp_path, instance, '[kvs]\ncheckpoint-period = "10ms"\n') == ""
        instance.run("kvs", "put", "another=1")
        until(lambda: written() == int(instance.run("kvs", "version").stdout))


@shows("exec.imp")
def test_the_imp_has_nothing_to_start(tmp_path: pathlib.Path) -> None:
    with configured(tmp_path, '[exec]\nimp = "/nonexistent/imp"\n') as instance:
        assert "exec.imp has nothing to start" in instance.run("dmesg").stdout
        assert instance.run("mini", "run", "echo", "1").stdout == "1\n"


@shows("exec.job-shell")
def test_a_job_shell_for_all_jobs(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "own.sh"
    path.write_text("#!/bin/sh\necho run by $0 $#\n")
    path.chmod(0o755)
    with configured(tmp_path, f'[exec]\njob-shell = "{path}"\n') as instance:
        assert f"using default shell path {path}" in instance.run("dmesg").stdout
        said = f"own.sh[0]: stdout: run by {path} 1"
        assert said in instance.run("mini", "run", "echo", "1").stderr
        other = tmp_path / "other.sh"
        other.write_text("#!/bin/sh\nexit 5\n")
        other.chmod(0o755)
        attribute = f"--setattr=system.exec.job_shell={other}"
        assert instance.run("mini", "run", attribute, "true").returncode == 5
        assert reload(tmp_path, instance, "") == ""
        assert instance.run("mini", "run", "echo", "1").stdout == "1\n"
        loaded = instance.run("module", "reload", "job-exec", "job-shell=/nonexist")
        assert loaded.returncode == 0
        done = instance.run("mini", "run", "true")
        assert "cmd=/nonexist: rank=0 exec failed: No such file or directory" in done.stderr
        assert done.returncode == 127


@shows(*(f"job-submit.{name}" for name in ("plugins", "time-limit", "lua", "defaults")))
def test_job_submit_plugins_look_at_jobs_in_their_order(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("lupa")
    (tmp_path / "site.lua").write_text(
        "function slurm_job_submit(job, parts, uid)\n"
        "  while job.name == 'endless' do end\n"
        "  slurm.log_user('limit of %d minutes', job.time_limit)\n"
        "  return job.time_limit > 60 and slurm.ESLURM_INVALID_TIME_LIMIT or slurm.SUCCESS\n"
        "end\n"
        "function slurm_job_modify() return slurm.SUCCESS end\n"
    )
    text = f"""
[job-submit]
plugins = ["defaults", "lua"]
time-limit = "1s"
[job-submit.defaults]
time_limit = 7
[job-submit.lua]
script = "{tmp_path}/site.lua"
instruction-limit = 1000000000000
"""
    with configured(tmp_path, text) as instance:
        done = instance.run("mini", "submit", "true")
        assert (done.returncode, done.stderr) == (0, "flux-mini: limit of 7 minutes\n")
        refused = instance.run("mini", "submit", "-t", "2h", "true")
        assert refused.returncode == 1
        assert "Requested time limit is invalid" in refused.stderr
        endless = instance.run("mini", "submit", "--job-name=endless", "true")
        assert endless.returncode == 1
        assert "took more than 1 seconds" in endless.stderr
        assert instance.run("mini", "submit", "true").returncode == 0


FAKE_NODES = """
[fake-resources]
nnodes = 3
cores-per-node = 2
gpus-per-node = 1
host-prefix = "made"
amend-r = "{amender}"
"""


@shows(
    "fake-resources.nnodes",
    "fake-resources.cores-per-node",
    "fake-resources.gpus-per-node",
    "fake-resources.host-prefix",
    "fake-resources.amend-r",
)
def test_nodes_that_are_not_there(tmp_path: pathlib.Path) -> None:
    amender = tmp_path / "amender.py"
    amender.write_text(
        "def amend(R, hwloc_xml=None):\n"
        "    R['execution']['properties'] = {'odd': '1'}\n"
        "    return R\n"
    )
    with configured(tmp_path, FAKE_NODES.format(amender=amender)) as instance:
        fields = "{nnodes} {ncores} {ngpus} {nodelist}"
        shown = instance.run("resource", "list", "-n", "-s", "free", "-o", fields).stdout
        assert shown == "3 6 3 made[0-2]\n"
        odd = instance.run("mini", "run", "--dry-run", "--requires=odd", "true")
        assert odd.returncode == 0, odd.stderr
        ran = ("submit", "--wait", "--requires=odd", "--setattr=exec.test.run_duration=0.1s")
        jobid = instance.run(*ran, "true").stdout.strip()
        assert instance.run("jobs", "-no", "{nodelist}", jobid).stdout == "made1\n"


@shows("fake-resources.hwloc-xml-path")
def test_nodes_that_are_like_a_file_of_hwloc(tmp_path: pathlib.Path) -> None:
    xml = tmp_path / "node.xml"
    with running_instance(1) as instance:
        found = instance.run("hwloc", "topology").stdout
        cores = instance.run("resource", "list", "-n", "-s", "free", "-o", "{ncores}").stdout
    xml.write_text(found)
    table = f'[fake-resources]\nnnodes = 5\nhwloc-xml-path = "{xml}"\n'
    with configured(tmp_path, table) as instance:
        shown = instance.run("resource", "list", "-n", "-s", "free", "-o", "{nnodes} {ncores}")
        assert shown.stdout == f"5 {5 * int(cores)}\n"


@shows(
    "job-manager.housekeeping",
    "job-manager.housekeeping.command",
    "job-manager.housekeeping.release-after",
)
def test_housekeeping_holds_nodes(tmp_path: pathlib.Path) -> None:
    done = tmp_path / "done"
    # The node of rank 0 is done at once, the other one when the file is there.
    command = f"test $(flux getattr rank) = 0 || until test -e {done}; do sleep 0.1; done"
    table = f"[job-manager.housekeeping]\ncommand = ['sh', '-c', '{command}']\n"

    def free(instance: Instance) -> str:
        return instance.run("resource", "list", "-n", "-s", "free", "-o", "{ranks}").stdout.strip()

    for release, held in (("", ""), ('release-after = "1ms"\n', "0")):
        folder = tmp_path / (held or "all")
        folder.mkdir()
        with configured(folder, table + release, size=2) as instance:
            assert instance.run("run", "-N2", "true").returncode == 0
            pending = ("housekeeping", "list", "-n", "-o", "{pending.ranks}")
            until_equal(lambda: instance.run(*pending).stdout, "1\n")  # noqa: B023 - it ends here
            until_equal(lambda: free(instance), held)
            done.touch()
            until_equal(lambda: free(instance), "0-1")
        done.unlink()
