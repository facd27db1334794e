"""The site's plugin: what it is given, what it says, and what happens when it misbehaves."""

from __future__ import annotations

import os
import signal
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from broker.slurm.constants import NICE_OFFSET
from broker.slurm.priority import site as site_module
from tests.unit.broker.services.job_manager.cluster import jobspec, submission
from tests.unit.broker.services.job_manager.plugged import logged
from tests.unit.broker.slurm.priority.priority_cluster import (
    NAME,
    Clocks,
    PriorityCluster,
    running,
)

if TYPE_CHECKING:
    import pathlib

    from broker.plugin_worker import PluginWorker


def worker_of(cluster: PriorityCluster) -> PluginWorker:
    site = cluster.driver.questions.site
    assert site is not None
    assert site.worker is not None
    return site.worker


def pid_of(cluster: PriorityCluster) -> int:
    pid = worker_of(cluster).pid
    assert pid is not None
    return pid


HEAD = """
import slurm
plugin_name = "a plugin of a test"
plugin_type = "site_factor/mine"
plugin_version = slurm.SLURM_VERSION_NUMBER
"""
STUBS = {
    "init": "def init(): return slurm.SLURM_SUCCESS",
    "fini": "def fini(): pass",
    "reconfig": "def site_factor_p_reconfig(): pass",
    "set": "def site_factor_p_set(job): job.site_factor = slurm.NICE_OFFSET + 100",
    "update": "def site_factor_p_update(): pass",
}
PREFIX = f"{NAME}: site_factor/mine: "


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


def write(folder: pathlib.Path, head: str = HEAD, **functions: str) -> dict[str, Any]:
    """Write a plugin of stubs and ``functions``, and return the table that has it loaded."""
    parts = [textwrap.dedent(text) for text in {**STUBS, **functions}.values()]
    (folder / "site_factor_mine.py").write_text("\n".join([head, *parts]) + "\n")
    return {
        "site-factor-plugin": "site_factor/mine",
        "site-factor-path": ["/nonexistent", str(folder)],
        "site-factor-timeout": "20s",
        "weight": {"partition": 1000},
    }


def texts(cluster: PriorityCluster) -> list[str]:
    """What the plugin has logged or printed."""
    return [
        entry.text.removeprefix(PREFIX)
        for entry in cluster.manager.logs
        if entry.text.startswith(PREFIX)
    ]


async def test_it_is_set_when_a_job_comes(clocks: Clocks, tmp_path: pathlib.Path) -> None:
    async with running(clocks, write(tmp_path)) as cluster:
        await cluster.fill()
        job = await cluster.wait()
        assert cluster.priority(job) == 1100
        await cluster.until_event(job, "priority")
        assert cluster.names(job) == ["submit", "depend", "priority"]
        assert [row.site for row in await cluster.list()] == [100]
        assert texts(cluster) == [f"loaded from {tmp_path}/site_factor_mine.py"]
        assert logged(cluster) == []


async def test_it_may_be_negative(clocks: Clocks, tmp_path: pathlib.Path) -> None:
    set_it = "def site_factor_p_set(job): job.site_factor = slurm.NICE_OFFSET - 300"
    async with running(clocks, write(tmp_path, set=set_it)) as cluster:
        await cluster.fill()
        assert cluster.priority(await cluster.wait()) == 700


async def test_without_the_offset_it_is_extremely_negative(
    clocks: Clocks, tmp_path: pathlib.Path
) -> None:
    set_it = "def site_factor_p_set(job): job.site_factor = 100"
    async with running(clocks, write(tmp_path, set=set_it)) as cluster:
        filler = await cluster.fill()
        job = await cluster.wait()
        assert cluster.priority(job) == 1
        assert (await cluster.list())[0].site == 100 - NICE_OFFSET
        await cluster.end(filler)
        await cluster.until_event(job, "alloc")


async def test_a_job_without_an_opinion_keeps_0(clocks: Clocks, tmp_path: pathlib.Path) -> None:
    async with running(clocks, write(tmp_path, set="def site_factor_p_set(job): pass")) as cluster:
        await cluster.fill()
        assert cluster.priority(await cluster.wait()) == 1000


FIELDS = """
def site_factor_p_set(job):
    if job.name == "asked":
        for name in ("user_id", "group_id", "account", "partition", "qos", "comment", "job_state",
                     "priority", "time_limit", "total_cpus", "total_nodes", "site_factor", "nice"):
            slurm.info("%s=%s", name, getattr(job, name))
        assert job.submit_time == job.details.submit_time > 0
        assert job.begin_time == job.details.begin_time >= job.submit_time
        slurm.info("%s %s", job.details.work_dir, job)
"""


async def test_the_fields_of_a_job(clocks: Clocks, tmp_path: pathlib.Path) -> None:
    table = write(tmp_path, set=FIELDS) | {"queue": {"batch": 1}}
    async with running(clocks, table, tables={"queues": {"batch": {}}}) as cluster:
        filler = await cluster.submit(jobspec(slots=32, queue="batch"))
        await cluster.until_event(filler, "alloc")
        spec = jobspec(
            slots=3,
            nodes=2,
            queue="batch",
            bank="physics",
            qos="high",
            comment="please",
            nice=-7,
            cwd="/home/x",
            job={"name": "asked"},
        )
        spec["attributes"]["system"]["duration"] = 61
        job = await cluster.wait(spec)
        assert texts(cluster)[1:] == [
            "user_id=0",
            "group_id=0",
            "account=physics",
            "partition=batch",
            "qos=high",
            "comment=please",
            "job_state=0",
            "priority=1",
            "time_limit=2",
            "total_cpus=6",
            "total_nodes=2",
            f"site_factor={NICE_OFFSET}",
            f"nice={NICE_OFFSET - 7}",
            f"/home/x <job {job}>",
        ]


UPDATE = """
def site_factor_p_update():
    jobs = list(slurm.job_list)
    slurm.info("%d jobs: %s", len(slurm.job_list), [(job.job_state, job.priority) for job in jobs])
    for place, job in enumerate(jobs):
        job.site_factor = slurm.NICE_OFFSET + 10 * place
"""


async def test_it_is_updated_every_period(clocks: Clocks, tmp_path: pathlib.Path) -> None:
    async with running(clocks, write(tmp_path, update=UPDATE)) as cluster:
        filler = await cluster.fill()
        jobs = [await cluster.wait() for _ in range(3)]
        await cluster.round()
        assert [cluster.priority(job) for job in jobs] == [1010, 1020, 1030]
        assert texts(cluster)[-1] == "4 jobs: [(1, 1100), (0, 1100), (0, 1100), (0, 1100)]"
        await cluster.end(filler)
        await cluster.until_event(jobs[0], "alloc")
        await cluster.round()
        assert texts(cluster)[-1] == "3 jobs: [(1, 1010), (1, 1020), (1, 1030)]"


async def test_it_knows_the_jobs_of_a_restart(clocks: Clocks, tmp_path: pathlib.Path) -> None:
    async with running(clocks, write(tmp_path, update=UPDATE)) as cluster:
        await cluster.fill()
        jobs = [await cluster.wait() for _ in range(2)]
        await cluster.restart()
        await cluster.ready()
        assert texts(cluster)[-1].startswith("3 jobs: ")
        assert [cluster.priority(job) for job in jobs] == [1010, 1020]


async def test_it_follows_the_configuration(clocks: Clocks, tmp_path: pathlib.Path) -> None:
    reconfig = """
    def site_factor_p_reconfig():
        slurm.info("reconfig %s %s", slurm.conf.PrioritySiteFactorParameters,
                   slurm.conf.PriorityCalcPeriod)
    """
    fini = "def fini(): slurm.info('fini')"
    table = write(tmp_path, reconfig=reconfig, fini=fini)
    async with running(clocks, table) as cluster:
        await cluster.fill()
        job = await cluster.wait()
        pid = pid_of(cluster)
        await cluster.configure(priority={**table, "site-factor-parameters": "a=1"})
        assert texts(cluster)[1:] == ["reconfig a=1 300"]
        await cluster.configure()
        assert texts(cluster)[1:] == ["reconfig a=1 300"] * 2
        assert pid_of(cluster) == pid
        await cluster.configure(priority={**table, "site-factor-plugin": "site_factor/none"})
        await cluster.manager.until(lambda: texts(cluster)[-1] == "fini")
        assert cluster.priority(job) == 1000


async def test_another_file_is_loaded_anew(clocks: Clocks, tmp_path: pathlib.Path) -> None:
    table = write(tmp_path)
    async with running(clocks, table) as cluster:
        await cluster.fill()
        job = await cluster.wait()
        write(tmp_path, set="def site_factor_p_set(job): job.site_factor = slurm.NICE_OFFSET + 5")
        await cluster.configure()
        assert cluster.priority(job) == 1005


@pytest.mark.parametrize("broken", ["def site_factor_p_set(job) pass", "1 // 0", None])
async def test_a_broken_file_leaves_the_one_before(
    clocks: Clocks,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: str | None,
) -> None:
    table = write(tmp_path)
    async with running(clocks, table) as cluster:
        await cluster.fill()
        if broken is None:
            (tmp_path / "site_factor_mine.py").unlink()
        else:
            write(tmp_path, set=broken)
        await cluster.configure()
        (text,) = logged(cluster)
        assert text.startswith(PREFIX)
        assert text.endswith(": the one loaded before goes on")
        assert cluster.priority(await cluster.wait()) == 1100
        monkeypatch.setattr(site_module, "REST", 0.0)
        os.kill(pid_of(cluster), signal.SIGKILL)
        await cluster.wait()
        assert cluster.priority(await cluster.wait()) == 1100, "started again with the old text"


REFUSED = {
    "no functions": (HEAD, {"set": "", "fini": ""}, "the plugin lacks fini, site_factor_p_set"),
    "init fails": (HEAD, {"init": "def init(): return slurm.SLURM_ERROR"}, "init() returned SLURM"),
    "init returns": (HEAD, {"init": "def init(): return True"}, "init() returned True"),
    "init raises": (HEAD, {"init": "def init(): return 1 // 0"}, "ZeroDivisionError"),
    "syntax": (HEAD, {"set": "def f(:"}, "invalid syntax (line "),
    "imports": ("import nosuchmodule\n" + HEAD, {}, "No module named 'nosuchmodule' ("),
    "exits": ("raise SystemExit(3)\n", {}, "SystemExit"),
    "no type": ("import slurm\n", {}, 'plugin_type has to be "site_factor/NAME", not None'),
    "other type": (
        HEAD.replace("site_factor/mine", "job_submit/mine"),
        {},
        'plugin_type has to be "site_factor/NAME"',
    ),
    "other name": (
        HEAD.replace("site_factor/mine", "site_factor/yours"),
        {},
        "plugin_type is site_factor/yours, not site_factor/mine",
    ),
    "version": (
        HEAD.replace("slurm.SLURM_VERSION_NUMBER", "0x170200"),
        {},
        "plugin_version is 0x170200, and 0x160508 is what runs here",
    ),
    "no version": (
        HEAD.replace("slurm.SLURM_VERSION_NUMBER", "'22.05'"),
        {},
        "plugin_version is '22.05'",
    ),
}


@pytest.mark.parametrize("case", list(REFUSED))
async def test_refused_plugins(clocks: Clocks, tmp_path: pathlib.Path, case: str) -> None:
    head, functions, text = REFUSED[case]
    async with running(clocks, write(tmp_path, head, **functions)) as cluster:
        (line,) = logged(cluster)
        assert line.startswith(PREFIX)
        assert text in line
        assert line.endswith("jobs have no site factor until the configuration is read again")
        await cluster.fill()
        assert cluster.priority(await cluster.wait()) == 1000
        write(tmp_path)
        await cluster.configure()
        assert cluster.priority(await cluster.wait()) == 1100


@pytest.mark.parametrize("version", ["", "plugin_version = 0x160500\n", "plugin_version = None\n"])
async def test_versions_that_will_do(clocks: Clocks, tmp_path: pathlib.Path, version: str) -> None:
    head = HEAD.replace("plugin_version = slurm.SLURM_VERSION_NUMBER\n", version)
    async with running(clocks, write(tmp_path, head)) as cluster:
        await cluster.fill()
        assert cluster.priority(await cluster.wait()) == 1100


@pytest.mark.parametrize(
    ("plugin", "text"),
    [
        ("site_factor/other", "there is no /nonexistent/site_factor_other.py or "),
        ("site_factor/", "a plugin is named site_factor/NAME, or by its path"),
        ("site_factor/../x", "a plugin is named site_factor/NAME, or by its path"),
        ("{}/nosuch.py", "nosuch.py: No such file or directory"),
        ("{}", "Is a directory"),
        ("{}/elf.so", "compiled plugins cannot be loaded"),
        ("{}/latin.py", "a plugin is text in UTF-8"),
    ],
)
async def test_files_that_are_no_plugins(
    clocks: Clocks, tmp_path: pathlib.Path, plugin: str, text: str
) -> None:
    (tmp_path / "elf.so").write_bytes(b"\x7fELF\0")
    (tmp_path / "latin.py").write_bytes(b"# \xe9\n")
    table = write(tmp_path) | {"site-factor-plugin": plugin.format(tmp_path)}
    async with running(clocks, table) as cluster:
        (line,) = logged(cluster)
        assert text in line


async def test_a_plugin_by_its_path(clocks: Clocks, tmp_path: pathlib.Path) -> None:
    table = write(tmp_path)
    (tmp_path / "site_factor_mine.py").rename(tmp_path / "any.py")
    table["site-factor-plugin"] = str(tmp_path / "any.py")
    async with running(clocks, table) as cluster:
        await cluster.fill()
        assert cluster.priority(await cluster.wait()) == 1100


WRONG = {
    "raises": ("def site_factor_p_set(job): return job.nosuch", "no attribute 'nosuch'"),
    "a word": ("def site_factor_p_set(job): job.site_factor = 'x'", "not 'x'"),
    "a fraction": ("def site_factor_p_set(job): job.site_factor = 1.5", "not 1.5"),
    "true": ("def site_factor_p_set(job): job.site_factor = True", "not True"),
    "negative": ("def site_factor_p_set(job): job.site_factor = -1", "0 to 4294967295, not -1"),
    "large": ("def site_factor_p_set(job): job.site_factor = 1 << 32", "not 4294967296"),
    "others": ("def site_factor_p_set(job): job.priority = 5", "priority of a job cannot be set"),
    "details": (
        "def site_factor_p_set(job): job.details.nice = 5",
        "details.nice of a job cannot be set",
    ),
    "unknown": ("def site_factor_p_set(job): job.new = 5", "new of a job cannot be set"),
}


@pytest.mark.parametrize("case", list(WRONG))
async def test_values_that_are_none(clocks: Clocks, tmp_path: pathlib.Path, case: str) -> None:
    text, complaint = WRONG[case]
    async with running(clocks, write(tmp_path, set=text)) as cluster:
        await cluster.fill()
        jobs = [await cluster.wait() for _ in range(3)]
        assert [cluster.priority(job) for job in jobs] == [1000] * 3
        (line,) = logged(cluster)
        assert complaint in line, "said once"
        assert line.startswith(f"{PREFIX}site_factor_p_set: ")


async def test_a_job_that_the_plugin_fails_for_harms_no_other(
    clocks: Clocks, tmp_path: pathlib.Path
) -> None:
    text = """
    def site_factor_p_set(job):
        if job.name == "bad":
            raise ValueError("a bad job")
        job.site_factor = slurm.NICE_OFFSET + 50
    """
    async with running(clocks, write(tmp_path, set=text)) as cluster:
        await cluster.fill()
        bad = await cluster.wait(jobspec(job={"name": "bad"}))
        good = await cluster.wait()
        assert (cluster.priority(bad), cluster.priority(good)) == (1000, 1050)
        assert "ValueError: a bad job" in logged(cluster)[0]


async def test_an_update_that_fails_keeps_what_was(clocks: Clocks, tmp_path: pathlib.Path) -> None:
    text = """
    def site_factor_p_update():
        for job in slurm.job_list:
            job.site_factor = slurm.NICE_OFFSET + 7
            raise RuntimeError("half way")
    """
    async with running(clocks, write(tmp_path, update=text)) as cluster:
        await cluster.fill()
        job = await cluster.wait()
        await cluster.round()
        assert cluster.priority(job) == 1100
        assert "site_factor_p_update: " in logged(cluster)[0]
        assert "RuntimeError: half way" in logged(cluster)[0]


BLOCKS = {
    "loops": ("while True: pass", "took more than 0.5 seconds"),
    "crashes": ("import os; os.abort()", "was ended by signal 6"),
    "exits": ("import os; os._exit(3)", "ended with exit code 3"),
}


@pytest.mark.parametrize("case", list(BLOCKS))
async def test_a_plugin_that_blocks_or_ends_its_process(
    clocks: Clocks, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    text, how = BLOCKS[case]
    body = f"""
    def site_factor_p_set(job):
        job.site_factor = slurm.NICE_OFFSET + 100
        if job.name == "bad":
            {text}
    """
    table = write(tmp_path, set=body) | {"site-factor-timeout": "0.5s"}
    cluster = PriorityCluster(clocks, {**table, "site-factor-timeout": "30s"})
    await cluster.start()
    await cluster.ready()
    await cluster.configure(priority=table)
    await cluster.fill()
    first = await cluster.wait()
    assert cluster.priority(first) == 1100
    bad = await cluster.wait(jobspec(job={"name": "bad"}))
    assert cluster.priority(bad) == 1000
    (line,) = logged(cluster)
    assert how in line
    assert line.startswith(PREFIX.rstrip(": "))
    assert "in site_factor_p_set: jobs keep their site factors, it is tried again in 60" in line
    assert cluster.priority(await cluster.wait()) == 1000, "the plugin is left alone"
    await cluster.round()
    assert cluster.priority(first) == 1100
    write(tmp_path)
    monkeypatch.setattr(site_module, "_clock", lambda: clocks.clock() + site_module.REST)
    late = await cluster.wait()
    assert cluster.priority(late) == 1100
    await cluster.stop()


async def test_what_blocks_at_its_load(
    clocks: Clocks, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_module, "START_WITHIN", 0.5)
    table = write(tmp_path, init="def init():\n    while True: pass")
    table["site-factor-timeout"] = "0.5s"
    async with running(clocks, table) as cluster:
        assert "took more than 0.5 seconds" in logged(cluster)[0]
        await cluster.fill()
        assert cluster.priority(await cluster.wait()) == 1000


async def test_many_jobs_in_one_message(clocks: Clocks, tmp_path: pathlib.Path) -> None:
    async with running(clocks, write(tmp_path, update=UPDATE)) as cluster:
        await cluster.fill()
        calls: list[str] = []
        worker = worker_of(cluster)
        call = worker.call

        async def counted(method: str, payload: object, timeout: float | None = None) -> object:
            calls.append(method)
            return await call(method, payload, timeout)

        vars(worker)["call"] = counted
        specs = [submission(jobid, jobspec(), 16) for jobid in range(1 << 40, (1 << 40) + 30)]
        await cluster.manager.request("job-manager.submit", {"jobs": specs})
        items = [item["id"] for item in specs]
        await cluster.manager.until(lambda: all(cluster.priority(job) >= 0 for job in items))
        assert calls == ["set"]
        await cluster.round()
        assert calls.count("update") == 1
        assert [cluster.priority(job) for job in items] == [1010 + 10 * n for n in range(30)]
