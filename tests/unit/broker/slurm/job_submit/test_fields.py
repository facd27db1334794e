"""Each field of ``job_desc``: how it is read, and where what a script assigns ends up."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING, Any

import pytest

from broker.slurm.constants import INFINITE, MEM_PER_CPU, NICE_OFFSET, NO_VAL, NO_VAL16, NO_VAL64
from broker.slurm.errors import NUMBERS
from broker.slurm.job_submit.fields import FIELDS

from .jobs import OWNER, at, described, jobspec, sized

if TYPE_CHECKING:
    from flux.wire.json import JsonObject

ME = pwd.getpwuid(OWNER)
OUTPUT = {"options": {"output": {"stdout": {"type": "file", "path": "o.{{id}}"}}}}
ERRORS = {"options": {"output": {"stderr": {"type": "file", "path": "/tmp/e"}}}}
INPUT = {"options": {"input": {"stdin": {"type": "file", "path": "in"}}}}
EXCLUDED = {"not": [{"hostlist": ["n[1-2]"]}]}
BATCH = {"batch": {"script": "#!/bin/sh\ntrue\n"}}
DEPENDENT = [{"scheme": "afterok", "value": "ƒA"}, {"scheme": "singleton", "value": ""}]

READ: list[tuple[str, JsonObject, object]] = [
    ("name", jobspec(job={"name": "j"}), "j"),
    ("name", jobspec(), "echo"),
    ("account", jobspec(bank="b"), "b"),
    ("account", jobspec(account="a"), "a"),
    ("account", jobspec(slurm={"account": "k"}), "k"),
    ("account", jobspec(), None),
    ("qos", jobspec(qos="high"), "high"),
    ("comment", jobspec(comment="c"), "c"),
    ("partition", jobspec(queue="q"), "q"),
    ("partition", jobspec(), None),
    ("nice", jobspec(nice=-7), NICE_OFFSET - 7),
    ("nice", jobspec(nice="x"), NO_VAL),
    ("user_id", jobspec(), OWNER),
    ("user_name", jobspec(), ME.pw_name),
    ("group_id", jobspec(), ME.pw_gid),
    ("alloc_node", jobspec(), os.uname().nodename),
    ("time_limit", jobspec(duration=90.0), 2),
    ("time_limit", jobspec(), NO_VAL),
    ("priority", jobspec(), NO_VAL),
    ("begin_time", jobspec(dependencies=[{"scheme": "begin-time", "value": "1234.5"}]), 1234),
    ("begin_time", jobspec(), 0),
    ("dependency", jobspec(dependencies=DEPENDENT), "afterok:9,singleton"),
    ("dependency", jobspec(), None),
    ("min_nodes", sized(3, 2), 3),
    ("min_nodes", sized(None, 2), NO_VAL),
    ("max_nodes", sized(3, 2), 3),
    ("num_tasks", sized(3, 2), 6),
    ("cpus_per_task", sized(None, 1, 4), 4),
    ("cpus_per_task", sized(None, 1, 1), NO_VAL16),
    ("min_cpus", sized(3, 2, 4), 24),
    ("pn_min_cpus", sized(None, 1, 4), 4),
    ("gres", sized(2, 2, 1, 1), "gres:gpu:2"),
    ("gres", sized(None, 2, 1, 1), "gres:gpu:1"),
    ("gres", jobspec(), None),
    ("tres_per_node", sized(2, 2, 1, 1), "gres:gpu:2"),
    ("tres_per_task", sized(None, 2, 1, 3), "gres:gpu:3"),
    ("tres_per_task", sized(2, 2, 1, 3), None),
    ("pn_min_memory", jobspec(slurm={"min_mem_per_cpu": 5}), 5 | MEM_PER_CPU),
    ("pn_min_memory", jobspec(), NO_VAL64),
    ("min_mem_per_node", jobspec(slurm={"min_mem_per_node": 7}), 7),
    ("min_mem_per_node", jobspec(slurm={"min_mem_per_cpu": 7}), None),
    ("min_mem_per_cpu", jobspec(slurm={"min_mem_per_cpu": 7}), 7),
    ("min_mem_per_cpu", jobspec(), None),
    ("features", jobspec(constraints={"properties": ["a", "b"]}), "a&b"),
    ("req_nodes", jobspec(constraints={"hostlist": ["n[1-2]"]}), "n[1-2]"),
    ("exc_nodes", jobspec(constraints=EXCLUDED), "n[1-2]"),
    ("script", jobspec(**BATCH), "#!/bin/sh\ntrue\n"),
    ("script", jobspec(), None),
    ("argc", jobspec(), 2),
    ("work_dir", jobspec(), "/home/me"),
    ("std_in", jobspec(shell=INPUT), "in"),
    ("std_out", jobspec(shell=OUTPUT), "/home/me/o.%j"),
    ("std_err", jobspec(shell=ERRORS), "/tmp/e"),
    ("ntasks_per_core", jobspec(), NO_VAL16),
    ("ntasks_per_board", jobspec(), 0),
    ("sockets_per_board", jobspec(), 0),
    ("boards_per_node", jobspec(), 0),
    ("network", jobspec(slurm={"network": "ib"}), "ib"),
    ("spank_job_env", jobspec(), None),
    ("spank_job_env_size", jobspec(), 0),
    ("cron_job", jobspec(), False),
    ("het_job_offset", jobspec(), NO_VAL),
    ("pack_job_offset", jobspec(), NO_VAL),
    ("default_account", jobspec(), None),
    ("default_qos", jobspec(), None),
]

WRITTEN: list[tuple[str, object, str, object]] = [
    ("name", "new", "job.name", "new"),
    ("account", "b", "bank", "b"),
    ("qos", "q", "qos", "q"),
    ("comment", "c", "comment", "c"),
    ("partition", "q", "queue", "q"),
    ("partition", "q,r", "queue", "q"),
    ("time_limit", 5, "duration", 300.0),
    ("nice", NICE_OFFSET - 30, "nice", -30),
    ("begin_time", 99, "dependencies", [{"scheme": "begin-time", "value": "99"}]),
    ("dependency", "afterany:1", "dependencies", [{"scheme": "afterany", "value": "1"}]),
    ("pn_min_memory", 100, "slurm.min_mem_per_node", 100),
    ("min_mem_per_node", 100, "slurm.min_mem_per_node", 100),
    ("min_mem_per_cpu", 100, "slurm.min_mem_per_cpu", 100),
    ("features", "a&b", "constraints", {"properties": ["a", "b"]}),
    ("req_nodes", "n1", "constraints", {"hostlist": ["n1"]}),
    ("exc_nodes", "n[1-2]", "constraints", EXCLUDED),
    ("work_dir", "/tmp", "cwd", "/tmp"),
    ("std_in", "f", "shell.options.input.stdin", {"type": "file", "path": "f"}),
    ("std_out", "o.%j", "shell.options.output.stdout", {"type": "file", "path": "o.{{id}}"}),
    ("std_err", "/e", "shell.options.output.stderr", {"type": "file", "path": "/e"}),
    ("shared", 2, "slurm.shared", 2),
    ("ntasks_per_gpu", 3, "slurm.ntasks_per_tres", 3),
]

RESOURCES: list[tuple[JsonObject, dict[str, Any], JsonObject]] = [
    (sized(None, 1), {"num_tasks": 4}, sized(None, 4)),
    (sized(None, 4), {"num_tasks": NO_VAL}, sized(None, 1)),
    (sized(None, 4), {"min_nodes": 2}, sized(2, 2)),
    (sized(None, 1), {"min_nodes": 2}, sized(2, 1)),
    (sized(4, 1), {"max_nodes": 2}, sized(2, 2)),
    (sized(2, 2), {"min_nodes": NO_VAL}, sized(None, 4)),
    (sized(None, 2), {"cpus_per_task": 3}, sized(None, 2, 3)),
    (sized(None, 2, 3), {"cpus_per_task": NO_VAL16}, sized(None, 2)),
    (sized(None, 2), {"min_cpus": 7}, sized(None, 2, 4)),
    (sized(None, 2), {"pn_min_cpus": 4}, sized(None, 2, 4)),
    (sized(None, 1), {"gres": "gpu:2"}, sized(None, 1, 1, 2)),
    (sized(2, 2), {"gres": "gpu:4"}, sized(2, 2, 1, 2)),
    (sized(2, 2), {"tres_per_node": "gres/gpu=4"}, sized(2, 2, 1, 2)),
    (sized(2, 2), {"tres_per_task": "gpu:1"}, sized(2, 2, 1, 1)),
    (sized(None, 4), {"tres_per_job": "gpu:4"}, sized(None, 4, 1, 1)),
    (sized(2, 2, 1, 2), {"gres": ""}, sized(2, 2)),
]


@pytest.mark.parametrize(("name", "spec", "value"), READ)
def test_read(name: str, spec: JsonObject, value: object) -> None:
    assert described(spec).get(name) == value


@pytest.mark.parametrize(("name", "value", "path", "written"), WRITTEN)
def test_written(name: str, value: object, path: str, written: object) -> None:
    job = described(jobspec())
    assert job.set(name, value)
    assert job.altered
    job.apply()
    assert at(job.jobspec, path) == written


@pytest.mark.parametrize(("before", "assigned", "after"), RESOURCES)
def test_resources(before: JsonObject, assigned: dict[str, Any], after: JsonObject) -> None:
    job = described(before)
    for name, value in assigned.items():
        assert job.set(name, value)
    job.apply()
    assert job.jobspec["resources"] == after["resources"]


def kept() -> list[str]:
    """The fields without a meaning in Flux."""
    return [
        field.name
        for field in FIELDS.values()
        if field.read is None and field.write is None and field.writable and not field.storage
    ]


KEPT = [name for name in kept() if name not in ("begin_time", "dependency")]


@pytest.mark.parametrize("name", KEPT)
def test_what_has_no_meaning_is_kept_and_read_again(name: str) -> None:
    value: Any = "text" if FIELDS[name].kind.name == "string" else 3
    job = described(jobspec())
    unset = job.get(name)
    assert job.set(name, value)
    job.apply()
    assert at(job.jobspec, f"slurm.{name}") == value
    again = described(job.jobspec)
    assert again.get(name) == value
    assert again.set(name, "" if unset is None else unset)
    again.apply()
    assert at(again.jobspec, "slurm") is None


def test_every_field_is_tested() -> None:
    sizes = {name for _, assigned, _ in RESOURCES for name in assigned}
    tested = {row[0] for row in READ} | {row[0] for row in WRITTEN} | sizes | set(KEPT)
    special = {"argv", "environment", "ntasks_per_node", "shared", "priority"}
    assert set(FIELDS) - tested - special == set()


def test_fields_that_cannot_be_assigned() -> None:
    job = described(jobspec())
    for name in ("user_id", "user_name", "argc", "cron_job", "network", "het_job_offset"):
        before = job.get(name)
        assert not job.set(name, 5)
        assert job.get(name) == before
    assert not job.altered


@pytest.mark.parametrize(
    ("value", "urgency"), [(0, 0), (7, 7), (1000, 31), (NO_VAL, 16), (INFINITE, 16)]
)
def test_priority_is_the_urgency(value: int, urgency: int) -> None:
    job = described(jobspec(), urgency=5)
    assert job.get("priority") == 5
    job.set("priority", value)
    job.apply()
    assert job.urgency == urgency


def test_whole_nodes() -> None:
    job = described(sized(None, 1))
    assert job.get("shared") == NO_VAL16
    job.set("shared", 0)
    job.apply()
    assert job.jobspec["resources"][0]["exclusive"] is True
    again = described(job.jobspec)
    assert again.get("shared") == 0
    again.set("shared", 1)
    again.apply()
    assert "exclusive" not in again.jobspec["resources"][0]


def test_many_tasks_cannot_have_nodes_whole_that_they_do_not_name() -> None:
    job = described(sized(None, 4))
    job.set("shared", 0)
    job.apply()
    assert job.jobspec["resources"] == sized(None, 4)["resources"]
    assert job.notes == ["shared = 0: only jobs that name nodes can have them whole"]


def test_tasks_of_a_node() -> None:
    job = described(sized(None, 4))
    job.set("ntasks_per_node", 2)
    job.apply()
    assert job.jobspec["resources"] == sized(2, 2)["resources"]
    assert described(job.jobspec).get("ntasks_per_node") == 2


def test_uneven_tasks_keep_their_number() -> None:
    job = described(sized(None, 5))
    job.set("min_nodes", 2)
    job.apply()
    assert job.jobspec["resources"] == sized(2, 3)["resources"]
    assert job.jobspec["tasks"][0]["count"] == {"total": 5}
    assert described(job.jobspec).get("num_tasks") == 5


def test_a_type_of_gpu_is_kept() -> None:
    job = described(sized(None, 1))
    job.set("gres", "gpu:v100:2,shard:1")
    assert job.get("tres_per_node") == "gres:gpu:v100:2,gres:shard:1"
    job.apply()
    assert job.jobspec["resources"] == sized(None, 1, 1, 2)["resources"]
    assert described(job.jobspec).get("gres") == "gres:gpu:v100:2,gres:shard:1"


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("num_tasks", 0, "ESLURM_BAD_TASK_COUNT"),
        ("cpus_per_task", 0, "ESLURM_INVALID_CPU_COUNT"),
        ("dependency", "aftercorr:1", "ESLURM_DEPENDENCY"),
        ("dependency", "afterok:x!", "ESLURM_DEPENDENCY"),
        ("features", "[a|b]", "ESLURM_INVALID_FEATURE"),
        ("features", "a*2", "ESLURM_INVALID_FEATURE"),
        ("req_nodes", "n[", "ESLURM_INVALID_NODE_NAME"),
    ],
)
def test_impossible_values(name: str, value: object, error: str) -> None:
    job = described(jobspec())
    job.set(name, value)
    with pytest.raises(OSError) as caught:
        job.apply()
    assert caught.value.errno == NUMBERS[error]


def test_constraints_that_fields_cannot_say_go_on_holding() -> None:
    ranks = {"ranks": ["0-3"]}
    job = described(jobspec(constraints=ranks))
    assert job.get("features") is None
    job.set("features", "gpu")
    job.apply()
    assert at(job.jobspec, "constraints") == {"and": [ranks, {"properties": ["gpu"]}]}


def test_a_new_feature_leaves_hosts_alone() -> None:
    job = described(jobspec(constraints=EXCLUDED))
    job.set("features", "a|b")
    job.apply()
    choice = {"or": [{"properties": ["a"]}, {"properties": ["b"]}]}
    assert at(job.jobspec, "constraints") == {"and": [choice, EXCLUDED]}


def test_a_time_to_begin_leaves_dependencies_alone() -> None:
    job = described(jobspec(dependencies=DEPENDENT))
    job.set("begin_time", 7)
    job.apply()
    assert at(job.jobspec, "dependencies") == [
        *DEPENDENT,
        {"scheme": "begin-time", "value": "7"},
    ]


def test_what_is_not_known_is_kept() -> None:
    job = described(jobspec())
    assert not job.set("site_token", "abc")
    assert job.get("site_token") == "abc"
    job.apply()
    assert at(job.jobspec, "slurm.site_token") == "abc"
    assert described(job.jobspec).get("site_token") == "abc"


def test_assigning_what_is_there_changes_nothing() -> None:
    spec = jobspec(duration=90.0, queue="q")
    job = described(spec)
    job.set("time_limit", 2)
    job.set("partition", "q")
    assert not job.altered
    job.apply()
    assert at(spec, "duration") == 90.0


def test_the_script_of_a_batch_job() -> None:
    job = described(jobspec(**BATCH))
    job.set("script", "#!/bin/sh\nfalse\n")
    job.apply()
    assert at(job.jobspec, "batch.script") == "#!/bin/sh\nfalse\n"
    other = described(jobspec())
    other.set("script", "x")
    other.apply()
    assert other.notes == ["script: only that of a batch job can be replaced"]


def test_batch_jobs_count_their_slots() -> None:
    spec = sized(None, 4)
    spec["attributes"]["system"]["shell"] = {"options": {"per-resource": {"type": "node"}}}
    assert described(spec).get("num_tasks") == 4


def test_resources_of_another_version_stay() -> None:
    spec = jobspec()
    spec["resources"] = [{"type": "rack", "count": 1}]
    job = described(spec)
    assert job.get("num_tasks") == NO_VAL
    job.set("num_tasks", 4)
    job.apply()
    assert spec["resources"] == [{"type": "rack", "count": 1}]
    assert job.notes == ["num_tasks: the job's resources cannot be changed"]


def test_huge_texts_are_not_kept() -> None:
    job = described(jobspec())
    job.set("wckey", "x" * 70000)
    with pytest.raises(OSError, match="wckey has more than 65536 characters"):
        job.apply()


def test_the_output_that_nobody_chose() -> None:
    unsaid = {"options": {"output": {"stdout": {"type": "file", "path": "flux-{{id}}.out"}}}}
    batch = {"script": "#!/bin/sh\n"}
    assert described(jobspec(shell=unsaid, batch=batch)).get("std_out") is None
    assert described(jobspec(shell=unsaid)).get("std_out") == "/home/me/flux-%j.out"


@pytest.mark.parametrize(("value", "queue"), [("q,r", "q"), ("q,nosuch", None)])
def test_each_partition_of_a_list_has_to_be_there(value: str, queue: str | None) -> None:
    job = described(jobspec())
    job.queues = frozenset(("q", "r"))
    job.set("partition", value)
    if queue is None:
        with pytest.raises(OSError, match="Invalid partition name") as caught:
            job.apply()
        assert caught.value.errno == 2000
    else:
        job.apply()
        assert at(job.jobspec, "queue") == queue
