"""Plugins in Python: the shipped ones and those of sites."""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING, Any

import pytest

from broker.slurm.constants import INFINITE, NO_VAL
from broker.slurm.job_submit.job_desc import JobDesc, JobRec
from broker.slurm.job_submit.partitions import Queue
from broker.slurm.job_submit.plugin import JobSubmitRefusal, consult, refusal_of
from broker.slurm.job_submit.python_api import slurm_module
from broker.slurm.job_submit.python_plugin import PythonPlugin
from broker.slurm.job_submit.surroundings import Surroundings
from broker.slurm.job_submit.talk import Talk

from .jobs import OWNER, at, described, jobspec, sized

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

HEAD = 'plugin_name = "A plugin"\nplugin_type = "job_submit/mine"\nplugin_version = 100\n'
MODIFY = "def job_modify(job_desc, job_ptr, submit_uid):\n    return 0\n"


class World:
    """What plugins are loaded into."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.path = folder / "mine.py"
        self.logs: list[str] = []
        self.talk = Talk(lambda _, text: self.logs.append(text))
        self.surroundings = Surroundings("local:///nonexistent", self.talk)
        self.surroundings.queues_are(
            [
                Queue("small", True, longest=600.0, most_nodes=1),
                Queue("big", least_nodes=2),
                Queue("off", enabled=False),
            ]
        )
        self.surroundings.look_for(OWNER)

    def plugin(self, text: str, **conf: Any) -> PythonPlugin:
        """Load a plugin of a site."""
        self.path.write_text(text)
        return PythonPlugin("mine", str(self.path), conf, self.talk, self.surroundings)

    def shipped(self, name: str, **conf: Any) -> PythonPlugin:
        """Load a shipped plugin."""
        return PythonPlugin(name, None, conf, self.talk, self.surroundings)


@pytest.fixture
def world(tmp_path: pathlib.Path) -> Iterator[World]:
    world = World(tmp_path)
    sys.modules["slurm"] = slurm_module(world.talk, world.surroundings)
    yield world
    del sys.modules["slurm"]
    sys.modules.pop("job_submit_mine", None)


def test_a_plugin_of_a_site(world: World) -> None:
    plugin = world.plugin(f"""{HEAD}
import slurm

def job_submit(job_desc, submit_uid):
    if job_desc.account is None:
        slurm.log_user("no account, %s", job_desc.user_name)
        return slurm.ESLURM_INVALID_ACCOUNT
    job_desc.time_limit = 5
    job_desc.environment["SEEN"] = job_desc.argv[0]
    job_desc.token = "t"
    slurm.log_info("uid %d", submit_uid)
    return slurm.SUCCESS
{MODIFY}""")
    assert plugin.submit(described(jobspec()), OWNER) == 2045
    assert world.talk.taken()[0].startswith("no account")
    job = described(jobspec(bank="b"))
    assert plugin.submit(job, OWNER) == 0
    job.apply()
    assert at(job.jobspec, "duration") == 300.0
    assert at(job.jobspec, "environment.SEEN") == "/bin/echo"
    assert at(job.jobspec, "slurm.token") == "t"
    assert world.logs == [f"uid {OWNER}"]


@pytest.mark.parametrize(
    ("parameters", "returned"),
    [
        ("job_desc", "1"),
        ("job_desc, submit_uid", "submit_uid + 2"),
        ("job_desc, part_list", "len(part_list)"),
        ("job_desc, part_list, uid", "len(part_list) + uid"),
    ],
)
def test_arguments(world: World, parameters: str, returned: str) -> None:
    plugin = world.plugin(f"{HEAD}def job_submit({parameters}):\n    return {returned}\n{MODIFY}")
    expected = eval(returned, {"submit_uid": OWNER, "part_list": [1, 2, 3], "uid": OWNER})
    assert plugin.submit(described(jobspec()), OWNER) == expected


@pytest.mark.parametrize(
    "parameters",
    ["job_desc, job_ptr, submit_uid", "job_desc, job_ptr, part_list", "a, b, c, d"],
)
def test_arguments_of_changes(world: World, parameters: str) -> None:
    second = parameters.split(", ")[1]
    text = f"def slurm_job_modify({parameters}):\n    return {second}.job_id\n"
    plugin = world.plugin(f"{HEAD}def slurm_job_submit(d):\n    return 0\n{text}")
    change = JobDesc({}, OWNER, is_change=True)
    assert plugin.modify(change, JobRec(jobspec(), OWNER, {"job_id": 77}), OWNER) == 77


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "mine.py: not a plugin: plugin_name is not defined"),
        (HEAD.replace("mine", "yours"), 'plugin_type is "job_submit/yours", not "job_submit/mine"'),
        (HEAD.replace("100", '"100"'), "plugin_version is not defined"),
        (HEAD, "the function job_submit is not defined"),
        (HEAD + "def job_submit(d): return 0", "the function job_modify is not defined"),
        ("1 / 0", "ZeroDivisionError"),
        ("def (", "SyntaxError"),
        ("import sys; sys.exit(3)", "SystemExit"),
    ],
)
def test_files_that_are_no_plugins(world: World, text: str, said: str) -> None:
    with pytest.raises(OSError) as caught:
        world.plugin(text)
    assert caught.value.errno == errno.EINVAL
    assert said in str(caught.value)


def test_the_table_of_a_plugin(world: World) -> None:
    text = f"{HEAD}def init(conf): global code; code = conf['code']\n"
    text += f"def job_submit(d): return code\n{MODIFY}"
    assert world.plugin(text, code=9).submit(described(jobspec()), OWNER) == 9
    with pytest.raises(OSError, match="color: the plugin has no function init"):
        world.plugin(f"{HEAD}def job_submit(d): return 0\n{MODIFY}", color="red")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise KeyError('oops')", "job_submit/mine: KeyError: 'oops'"),
        ("d.time_limit = 'abc'", "job_submit/mine: WrongType: number expected, got string"),
        ("d.user_id = 5", "job_submit/mine: AttributeError: user_id cannot be assigned"),
        ("return None", "job_submit/mine: returned nil, not the number of an error"),
        ("import sys; sys.exit(1)", "job_submit/mine: SystemExit"),
    ],
)
def test_plugins_that_fail_refuse(world: World, body: str, said: str) -> None:
    plugin = world.plugin(f"{HEAD}def job_submit(d):\n    {body}\n    return 0\n{MODIFY}")
    refused = consult([plugin], lambda it: it.submit(described(jobspec()), OWNER), world.talk)
    assert refused is not None
    assert refused.errnum == errno.EINVAL
    assert refused.text.startswith(said)


def test_the_first_that_refuses_is_the_last_that_is_asked(world: World) -> None:
    asked: list[str] = []

    class Fake:
        file = ""

        def __init__(self, name: str, code: int) -> None:
            self.name, self._code = name, code

        def submit(self, job: JobDesc, userid: int) -> int:
            asked.append(self.name)
            return self._code

        def modify(self, job: JobDesc, record: JobRec, userid: int) -> int:
            raise NotImplementedError

    plugins = [Fake("a", 0), Fake("b", 2006), Fake("c", 0)]
    refused = consult(plugins, lambda it: it.submit(described(jobspec()), OWNER), world.talk)
    assert refused == JobSubmitRefusal(2006, "Node count specification invalid")
    assert asked == ["a", "b"]


@pytest.mark.parametrize(
    ("code", "errnum", "text"),
    [
        (-1, errno.EINVAL, "job_submit/site refused: Unspecified error"),
        (-5, errno.EINVAL, "job_submit/site refused: Unknown negative error number"),
        (1, 1, "Operation not permitted"),
        (2051, 2051, "Requested time limit is invalid (missing or exceeds some limit)"),
        (9999, 9999, "Unknown error 9999"),
    ],
)
def test_errors(code: int, errnum: int, text: str) -> None:
    assert refusal_of(code, "site") == JobSubmitRefusal(errnum, text)


def test_defaults(world: World) -> None:
    plugin = world.shipped("defaults", time_limit=60, account="all", num_tasks=4)
    job = described(jobspec(bank="mine"))
    assert plugin.submit(job, OWNER) == 0
    assert (job.get("time_limit"), job.get("account"), job.get("num_tasks")) == (60, "mine", 1)
    change = JobDesc({"attributes": {"system": {"duration": 0}}}, OWNER, is_change=True)
    assert change.get("time_limit") == INFINITE
    assert plugin.modify(change, JobRec(jobspec(), OWNER, {}), OWNER) == 0
    assert change.get("time_limit") == 60


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        ({"timelimit": 3}, "timelimit is no field of job_desc that can be set"),
        ({"user_id": 3}, "user_id is no field of job_desc that can be set"),
        ({"time_limit": "x"}, "time_limit: number expected, got string"),
    ],
)
def test_impossible_defaults(world: World, conf: dict[str, Any], said: str) -> None:
    with pytest.raises(OSError, match=said):
        world.shipped("defaults", **conf)


def test_logging(world: World) -> None:
    plugin = world.shipped("logging")
    assert plugin.submit(described(jobspec(bank="a")), OWNER) == 0
    change = JobDesc({"attributes": {"system": {"duration": 480.0}}}, OWNER, is_change=True)
    record = JobRec(jobspec(), OWNER, {"job_id": 5})
    assert plugin.modify(change, record, OWNER) == 0
    assert world.logs == [
        "job_submit/logging: job_submit: Job submit request: account:a begin_time:0 "
        "dependency:(null) name:echo partition:(null) qos:(null) "
        f"submit_uid:{OWNER} time_limit:{NO_VAL} user_id:{OWNER}",
        "job_submit/logging: job_modify: Job modify request: account:(null) begin_time:0 "
        "dependency:(null) job_id:5 name:(null) partition:(null) qos:(null) "
        f"submit_uid:{OWNER} time_limit:8",
    ]


@pytest.mark.parametrize(
    ("nodes", "minutes", "chosen"),
    [(None, None, "small"), (1, 10, "small"), (1, 11, None), (3, 60, "big"), (None, 60, "big")],
)
def test_partition(
    world: World, nodes: int | None, minutes: int | None, chosen: str | None
) -> None:
    spec = sized(nodes, 1)
    spec["attributes"]["system"]["duration"] = 60.0 * (minutes or 0)
    job = described(spec)
    assert world.shipped("partition").submit(job, OWNER) == 0
    assert job.get("partition") == chosen


def test_a_partition_that_was_chosen_stays(world: World) -> None:
    job = described(jobspec(queue="big"))
    assert world.shipped("partition").submit(job, OWNER) == 0
    assert job.get("partition") == "big"
    assert world.logs == []
