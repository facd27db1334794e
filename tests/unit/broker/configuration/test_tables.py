"""The configuration files: what is taken from them, and what is said about mistakes."""

from __future__ import annotations

import errno
import pathlib
import re

import pytest

from broker.configuration import Config, from_payload, from_tables, load
from broker.configuration.queues import (
    AccessPolicy,
    JobSizeConfig,
    LimitsConfig,
    SizeConfig,
    SystemDefaults,
)
from broker.configuration.tables import (
    REFUSALS,
    AccessConfig,
    ArchiveConfig,
    ExecConfig,
    FakeResourcesConfig,
    JobManagerConfig,
    PluginDirective,
    ResourceEntry,
    SchedSimpleConfig,
    TbonConfig,
    ValidatorConfig,
)


def write(folder: pathlib.Path, **files: str) -> str:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    return str(folder)


def mistake(folder: pathlib.Path, **files: str) -> str:
    """What is said about files with a mistake in them."""
    with pytest.raises(OSError, match=r".") as failure:
        load(write(folder, **files))
    assert failure.value.errno == errno.EINVAL
    return str(failure.value.strerror)


def test_no_configuration() -> None:
    assert load(None) == load("") == Config()
    assert Config().job_manager == JobManagerConfig(None, None)


def test_a_directory_is_merged_in_order(tmp_path: pathlib.Path) -> None:
    folder = write(
        tmp_path,
        a='[job-manager]\ninactive-age-limit = "2d"\ninactive-num-limit = 7\n[other]\nx = 1\n',
        b="job-manager.inactive-num-limit = 3\nother.y = 2\n",
    )
    (tmp_path / "README").write_text("not TOML")
    config = load(folder)
    assert config.job_manager == JobManagerConfig(2 * 86400.0, 3)
    assert config.tables["other"] == {"x": 1, "y": 2}


def test_a_file(tmp_path: pathlib.Path) -> None:
    write(tmp_path, one="[job-manager]\ninactive-num-limit = 0\n")
    assert load(str(tmp_path / "one.toml")).job_manager == JobManagerConfig(None, 0)


def test_every_table(tmp_path: pathlib.Path) -> None:
    text = """
[access]
allow-guest-user = true
allow-root-owner = true
[exec]
kill-timeout = "1.5m"
[ingest]
batch-count = 10
validator = { plugins = ["jobspec", "feasibility"], args = ["--require-version=1"], workers = 3 }
[job-manager]
plugins = [{ remove = ".begin-time" }, { load = "x.py", conf = { a = [1, 2024-02-03] } }]
[policy]
jobspec.defaults.system = { duration = "1h", queue = "batch" }
limits = { duration = "4h", job-size.max.nnodes = 8 }
access = { allow-user = ["alice"], allow-group = ["staff"] }
[queues.batch]
requires = ["batch"]
[queues.debug.policy]
limits = { duration = "0", job-size = { min = { ncores = 2 }, max = { nnodes = -1 } } }
[resource]
config = [{ hosts = "n[0-1]", cores = "0-3" }, { hosts = "n1", gpus = "0", properties = ["x"] }]
path = "/R"
exclude = "0"
norestrict = true
noverify = true
[sched-simple]
mode = "limited=3"
alloc-mode = "best-fit"
queue-policy = "easy"
[archive]
busytimeout = "0.1s"
dbpath = "/archive"
period = "5m"
[kvs]
checkpoint-period = "30m"
[tbon]
connect_timeout = "20s"
keepalive_count = 3
keepalive_idle = 30
keepalive_interval = 10
tcp_user_timeout = "2m"
zmqdebug = 1
"""
    config = load(write(tmp_path, one=text))
    assert config.access == AccessConfig(True, True)
    assert config.exec == ExecConfig(90.0)
    assert config.ingest.batch_count == 10
    arguments = ("--require-version=1",)
    assert config.ingest.validator == ValidatorConfig(
        False, ("jobspec", "feasibility"), arguments, 3
    )
    assert config.job_manager.plugins == (
        PluginDirective(remove=".begin-time"),
        PluginDirective(load="x.py", conf={"a": [1, "2024-02-03"]}),
    )
    assert (config.resource.path, config.resource.exclude) == ("/R", "0")
    assert config.resource.norestrict
    assert config.resource.noverify
    assert config.archive == ArchiveConfig(0.1, "/archive", 300.0)
    assert config.kvs.checkpoint_period == 1800.0
    assert config.sched_simple == SchedSimpleConfig("limited=3", "best-fit", "easy")
    assert config.policy.jobspec.defaults.system == SystemDefaults(3600.0, "batch")
    assert config.policy.limits == LimitsConfig(14400.0, JobSizeConfig(max=SizeConfig(nnodes=8)))
    assert config.policy.access == AccessPolicy(("alice",), ("staff",))
    assert list(config.queues) == ["batch", "debug"]
    assert config.queues["batch"].requires == ("batch",)
    sizes = JobSizeConfig(SizeConfig(ncores=2), SizeConfig(nnodes=-1))
    assert config.queues["debug"].policy.limits == LimitsConfig(0.0, sizes)
    assert config.resource.config == (
        ResourceEntry(("n0", "n1"), "0-3"),
        ResourceEntry(("n1",), gpus="0", properties=("x",)),
    )
    assert config.tbon == TbonConfig(20.0, 3, 30, 10, 120.0, 1)
    assert from_tables(dict(config.tables)) == config


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[archive]\nperiod = "0s"', "archive.period: must be longer than 0"),
        ('[archive]\ndbpath = ""', "archive.dbpath: must be a string that is not empty"),
        ('[kvs]\ncheckpoint-period = "0"', "kvs.checkpoint-period: must be longer than 0"),
        ("[exec]\nimp = 1", "exec.imp: must be a string"),
        (
            "[job-manager]\ninactive-num-limit = -1\n",
            ":2: job-manager.inactive-num-limit: must be an integer, 0 or",
        ),
        (
            "[job-manager]\n\ninactive-num-limit = true\n",
            ":3: job-manager.inactive-num-limit: must be an integer",
        ),
        ("[job-manager]\ninactive-num-limit = 1.5\n", "must be an integer"),
        (
            "[job-manager]\ninactive-age-limit = 5\n",
            ":2: job-manager.inactive-age-limit: must be a string",
        ),
        (
            '[job-manager]\ninactive-age-limit = "x"\n',
            ":2: job-manager.inactive-age-limit: invalid Flux standard",
        ),
        ('[job-manager]\ninactive-age-limit = "inf"\n', "must be finite"),
        (
            "[x]\ninactive-limit = 1\n[job-manager]\ninactive-limit = 1\n",
            ":4: job-manager.inactive-limit: unknown key",
        ),
        ("job-manager.nonsense = 1\n", ":1: job-manager.nonsense: unknown key"),
        ("x = 1\njob-manager = 1\n", ":1: x: unknown key"),
        ("job-manager = 1\n", ":1: job-manager: must be a table"),
        ("\n[job-manager\n", ":2: Expected"),
        ("x = " + "[" * 5000 + "]" * 5000 + "\n", "one.toml: nested too deep"),
        ("[job-manager]\nplugins = 42\n", ":2: job-manager.plugins: must be an array"),
        (
            "[job-manager]\nplugins = [\n  {load = 42},\n]\n",
            ":3: job-manager.plugins[0].load: must be a string",
        ),
        (
            '[[job-manager.plugins]]\nload = "a"\n[[job-manager.plugins]]\nlode = "b"\n',
            ":4: job-manager.plugins[1].lode: unknown key (did you mean load?)",
        ),
        ("[job-manager]\nplugins = [{conf = {}}]\n", ":2: job-manager.plugins[0]: load is missing"),
        (
            '[job-manager.prolog]\ncommand = ["true"]\n',
            ":1: job-manager.prolog: no command runs on the nodes of a job before it starts",
        ),
        (
            "[job-manager.epilog]\nper-rank = true\n",
            ":1: job-manager.epilog: no command is a part of a job's end: [job-manager.housekeepi",
        ),
        ("[job-manager.perilog]\nlog-ignore = []\n", ":1: job-manager.perilog: no command runs"),
        ("[exec.sdexec-properties]\nX = 1\n", ":1: exec.sdexec-properties: jobs are not run as"),
        ('[tbon]\ntopo = "kary:3"\n', ":2: tbon.topo: the shape of the tree is in attribute"),
        ("[exec]\nkill-timeout = 1\n", ":2: exec.kill-timeout: must be a string, a duration"),
        ('[access]\nallow-guest-user = "yes"\n', ":2: access.allow-guest-user: must be true or"),
        ("[ingest]\nbatch-count = 0\n", ":2: ingest.batch-count: must be an integer, 1 to"),
        (
            '[ingest.validator]\nplugins = ["a", 3]\n',
            ":2: ingest.validator.plugins[1]: must be a string",
        ),
        ('[resource]\nexclude = ""\n', ":2: resource.exclude: must be a string that is not empty"),
        ('[sched-simple]\nmode = "limited=0"\n', ':2: sched-simple.mode: must be "single", '),
        ("[tbon]\nkeepalive_count = 128\n", ":2: tbon.keepalive_count: must be an integer, 1 to 1"),
        ("[reesource]\nx = 1\n", ":1: reesource: unknown key (did you mean resource?)"),
        ("[mine]\na = 1\nb = [1, nan]\n", ":3: mine.b[1]: must be finite"),
        (
            '[sched-simple]\nqueue-policy = "lifo"\n',
            ':2: sched-simple.queue-policy: must be one of "fcfs", "easy"',
        ),
        (
            '[queues.a]\n[queues.b]\n[sched-simple]\nmode = "single"\n',
            ":4: sched-simple.mode: must allow a request for each of the 2 queues",
        ),
        ("[queues]\na = 1\n", ":2: queues.a: must be a table"),
        ('[queues."a b"]\n', ":1: queues.a b: the name of a queue is made of letters"),
        ("[queues.a]\nrequire = []\n", ":2: queues.a.require: unknown key (did you mean requires"),
        ('[queues.a]\nrequires = ["x!"]\n', ":2: queues.a.requires[0]: invalid property 'x!'"),
        (
            '[queues.a.policy.jobspec.defaults.system]\nqueue = "a"\n',
            ":2: queues.a.policy.jobspec.defaults.system.queue: a queue has no default queue",
        ),
        (
            '[policy.jobspec.defaults.system]\nqueue = "a"\n',
            ":2: policy.jobspec.defaults.system.queue: there is no [queues.a]",
        ),
        ("[policy.limits]\nduration = 5\n", ":2: policy.limits.duration: must be a string, a"),
        (
            "[policy.limits.job-size.max]\nnnodes = -2\n",
            ":2: policy.limits.job-size.max.nnodes: must be an integer, -1 to",
        ),
        (
            "[policy.limits]\njob-size.min.ncores = 3\njob-size.max.ncores = 2\n",
            ":2: policy.limits.job-size: min.ncores is greater than max.ncores",
        ),
        (
            '[policy]\njobspec.defaults.system.duration = "2h"\nlimits.duration = "1h"\n',
            ":3: policy.limits.duration: is less than what jobs without a time limit get",
        ),
        (
            '[queues.a.policy]\njobspec.defaults.system.duration = "2h"\n'
            '[policy.limits]\nduration = "1h"\n',
            ":2: queues.a.policy.jobspec.defaults.system.duration: is greater than limits.duration",
        ),
        (
            '[policy]\njobspec.defaults.system.duration = "2h"\n'
            '[queues.a.policy.limits]\nduration = "1h"\n',
            ":4: queues.a.policy.limits.duration: is less than what jobs without a time limit get",
        ),
        (
            "[policy.limits]\njob-size.min.nnodes = 3\n"
            "[queues.a.policy.limits]\njob-size.max.nnodes = 2\n",
            ":4: queues.a.policy.limits.job-size: min.nnodes is greater than max.nnodes, one of",
        ),
        ("[policy]\nfair-share = {}\n", ":2: policy.fair-share: unknown key"),
        (
            '[[resource.config]]\nhosts = "n[0-"\n',
            ":2: resource.config[0].hosts: must be a hostlist",
        ),
        ('[[resource.config]]\ncores = "0"\n', ":1: resource.config[0]: hosts is missing"),
        (
            '[[resource.config]]\nhosts = "n0"\ncores = "0-x"\n',
            ":3: resource.config[0].cores: must be an idset",
        ),
        (
            '[[resource.config]]\nhosts = "n0"\ngpus = "0"\n',
            ":1: resource.config[0]: no element says which cores n0 has",
        ),
        ("[mine]\na = 9223372036854775808\n", ":2: mine.a: must be an integer of 64 bits"),
    ],
)
def test_mistakes(tmp_path: pathlib.Path, text: str, problem: str) -> None:
    said = mistake(tmp_path, one=text, two="[mine]\nz = 1\n")
    assert said.startswith(f"Config file error: {tmp_path}/one.toml:")
    assert problem in said


@pytest.mark.parametrize("key", REFUSALS)
def test_what_does_not_act_is_refused_with_a_reason(tmp_path: pathlib.Path, key: str) -> None:
    said = mistake(tmp_path, one=f"[first]\n[{key.replace('*', 'batch')}]\n")
    assert said.endswith(f":2: {key.replace('*', 'batch')}: {REFUSALS[key]}")


def test_the_file_that_set_a_value_last_is_named(tmp_path: pathlib.Path) -> None:
    said = mistake(
        tmp_path,
        a='[tbon]\nkeepalive_idle = 1\n[exec]\nkill-timeout = "1s"\n',
        b="\n\ntbon.keepalive_idle = 0\n",
        c="[tbon]\nkeepalive_count = 2\n",
    )
    assert said.startswith(f"Config file error: {tmp_path}/b.toml:3: tbon.keepalive_idle: ")


def test_a_queue_may_lift_a_limit_that_its_default_is_beyond(tmp_path: pathlib.Path) -> None:
    limits = '[policy.limits]\nduration = "1h"\njob-size.min.nnodes = 3\n'
    queue = '[queues.a.policy]\njobspec.defaults.system.duration = "2h"\n'
    own = 'limits = { duration = "inf", job-size = { min.nnodes = -1, max.nnodes = 2 } }\n'
    config = load(write(tmp_path, one=limits + queue + own))
    assert config.queues["a"].policy.jobspec.defaults.system.duration == 7200.0


def test_what_is_not_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(
        OSError, match=r"config\.path: .*nosuch: No such file or directory"
    ) as failure:
        load(str(tmp_path / "nosuch"))
    assert failure.value.errno == errno.ENOENT


def test_what_is_not_text(tmp_path: pathlib.Path) -> None:
    (tmp_path / "one.toml").write_bytes(b"\xff\xfe = 1")
    assert mistake(tmp_path).endswith("one.toml: is not text in UTF-8")


SITE = """
[exec]
imp = "/usr/libexec/flux/flux-imp"
[access]
allow-guest-user = true
allow-root-owner = true
[resource]
path = "/etc/flux/system/R"
[bootstrap]
curve_cert = "/mnt/curve/curve.cert"
default_port = 8050
default_bind = "tcp://eth0:%p"
default_connect = "tcp://%h.example.org:%p"
hosts = [
    { host = "sample[0-3]" },
]
[tbon]
tcp_user_timeout = "2m"
[archive]
dbpath = "/var/lib/flux/job-archive.sqlite"
period = "1m"
busytimeout = "50s"
"""


def test_a_sites_file_is_taken_as_it_is(tmp_path: pathlib.Path) -> None:
    config = load(write(tmp_path, site=SITE))
    assert config.exec.imp == "/usr/libexec/flux/flux-imp"
    assert config.access == AccessConfig(True, True)
    assert config.tbon.tcp_user_timeout == 120.0
    assert config.archive == ArchiveConfig(50.0, "/var/lib/flux/job-archive.sqlite", 60.0)
    assert config.bootstrap is not None
    assert config.bootstrap.connect(3) == "tcp://sample3.example.org:8050"


@pytest.mark.parametrize("page", ["configuration.md", "cluster.md", "queues.md"])
def test_examples_of_the_pages(tmp_path: pathlib.Path, page: str) -> None:
    root = pathlib.Path(__file__).parents[4]
    blocks = re.findall(r"```toml\n(.*?)```", (root / "docs" / page).read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        assert load(write(tmp_path, page=block)) != Config()


def test_a_message_to_many_modules_is_checked_once() -> None:
    message = b'{"exec":{"kill-timeout":"3s"}}\0'
    assert from_payload(message) is from_payload(message)
    assert from_payload(message).exec == ExecConfig(3.0)
    assert from_payload(b"{}\0") == Config()
    with pytest.raises(OSError, match=r"exec\.nosuch: unknown key"):
        from_payload(b'{"exec":{"nosuch":1}}\0')


def test_a_file_of_json(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "conf.json"
    file.write_text('{"job-manager": {"inactive-num-limit": 7}}')
    assert load(str(file)).job_manager == JobManagerConfig(None, 7)
    file.write_text('{"job-manager": {"inactive-num-limit": "x"}}')
    with pytest.raises(OSError, match=f"Config file error: {file}: job-manager.inactive-num-limit"):
        load(str(file))
    file.write_text("[1]")
    with pytest.raises(OSError, match="is no JSON object"):
        load(str(file))


FAKE = "[fake-resources]\nnnodes = 4\n"


def test_fake_resources(tmp_path: pathlib.Path) -> None:
    assert load(write(tmp_path, a=FAKE)).fake_resources == FakeResourcesConfig(4, 64, 0, "fake")
    said = mistake(tmp_path, a="[fake-resources]\ncores-per-node = 2\n")
    assert said.endswith("a.toml:1: fake-resources: nnodes is missing")
    assert "did you mean nnodes?" in mistake(tmp_path, a="[fake-resources]\nnodes = 2\n")
    assert "must be an integer, 1 to" in mistake(tmp_path, a="[fake-resources]\nnnodes = 0\n")
    given = f"{FAKE}[resource]\npath = 'R'\n"
    assert "resource.path: [fake-resources] says already" in mistake(tmp_path, a=given)


def test_what_the_command_line_gives_counts_more(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, a="[job-manager]\ninactive-num-limit = 3\n[other]\nx = 1\n")
    given = {"job-manager": {"inactive-num-limit": 4}, "other": {"y": 2}}
    config = load(path, given)
    assert config.job_manager == JobManagerConfig(None, 4)
    assert (config.tables["other"], config.given) == ({"x": 1, "y": 2}, given)
    assert load(None, given).job_manager == JobManagerConfig(None, 4)
    with pytest.raises(OSError, match=r"--conf: exec\.kill-timeout: must be a string"):
        load(path, {"exec": {"kill-timeout": 1}})
