"""Scripts in Lua: what they see, what is taken from them, how they fail."""

from __future__ import annotations

import errno
import os
import pathlib
from typing import TYPE_CHECKING

import msgspec
import pytest

from broker.slurm.errors import NUMBERS
from broker.slurm.job_submit.job_desc import JobDesc, JobRec
from broker.slurm.job_submit.lua_script import LuaPlugin
from broker.slurm.job_submit.messages import LuaSettings
from broker.slurm.job_submit.partitions import Queue
from broker.slurm.job_submit.surroundings import Surroundings
from broker.slurm.job_submit.talk import Talk

from .jobs import OWNER, at, described, jobspec

if TYPE_CHECKING:
    from flux.wire.json import JsonObject

pytest.importorskip("lupa")

MODIFY = "function slurm_job_modify(job_desc, job_rec, part_list, modify_uid) return 0 end\n"


class Site:
    """A site with one script, whose function for submissions is ``body``."""

    def __init__(self) -> None:
        self.path = pathlib.Path("job_submit.lua")
        self.logs: list[tuple[int, str]] = []
        self.talk = Talk(lambda level, text: self.logs.append((level, text)))
        self.surroundings = Surroundings("local:///nonexistent", self.talk)
        self.surroundings.queues_are([Queue("debug", True, longest=3600.0), Queue("gpu")])
        self.surroundings.look_for(OWNER)
        self.settings = LuaSettings(str(self.path), "5.1", 1_000_000, "mycluster", False)
        self._plugin: LuaPlugin | None = None

    def write(self, text: str) -> None:
        """Replace the script."""
        self.path.write_text(text)

    @property
    def plugin(self) -> LuaPlugin:
        """The loaded plugin."""
        if self._plugin is None:
            self._plugin = LuaPlugin(self.settings, self.talk, self.surroundings)
        return self._plugin

    def run(self, body: str, spec: JsonObject | None = None) -> tuple[int, JobDesc]:
        """Run a script with a body for submissions; returns its code and the job."""
        self.write(
            f"function slurm_job_submit(job_desc, part_list, submit_uid)\n{body}\nend\n{MODIFY}"
        )
        job = described(jobspec() if spec is None else spec)
        return self.plugin.submit(job, OWNER), job

    @property
    def said(self) -> list[str]:
        """What was logged."""
        return [text for _, text in self.logs]


@pytest.fixture
def site(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.chdir(tmp_path)  # Lua shortens long paths in what it says
    return Site()


def test_a_site_script(site: Site) -> None:
    body = """
      if job_desc.account == nil then job_desc.account = "default" end
      if job_desc.time_limit == slurm.NO_VAL then job_desc.time_limit = 60 end
      for name, part in pairs(part_list) do
        if part.flag_default == 1 then job_desc.partition = name end
      end
      slurm.log_info("uid %u: %s", submit_uid, job_desc.partition)
      slurm.log_user("you are in %s", job_desc.partition)
      return slurm.SUCCESS
    """
    code, job = site.run(body)
    assert code == 0
    job.apply()
    assert at(job.jobspec, "bank") == "default"
    assert at(job.jobspec, "duration") == 3600.0
    assert at(job.jobspec, "queue") == "debug"
    assert site.said == [f"lua: uid {OWNER}: debug"]
    assert site.talk.taken() == ["you are in debug"]


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("slurm.SUCCESS", 0),
        ("slurm.ERROR", -1),
        ("slurm.FAILURE", -1),
        ("slurm.ESLURM_INVALID_TIME_LIMIT", 2051),
        ('"2006"', 2006),
        ("2.7", 2),
        ("9999", 9999),
        ("-5", -5),
        ("5, 0", 5),
        ("1e300", -(1 << 31)),
    ],
)
def test_return_codes(site: Site, expression: str, code: int) -> None:
    assert site.run(f"return {expression}")[0] == code


@pytest.mark.parametrize("expression", ["nil", '"abc"', "true", "{}", ""])
def test_what_is_no_return_code_takes_the_job(site: Site, expression: str) -> None:
    assert site.run(f"return {expression}")[0] == 0
    text = f"job_submit/lua: {site.path}: non-numeric return code"
    assert site.said == [f"job_submit/lua: job_submit: {text}"]


def test_an_error_takes_the_job_and_is_told(site: Site) -> None:
    code, job = site.run('job_desc.comment = "before" error("boom")')
    assert code == 0
    assert job.get("comment") == "before"
    text = f"job_submit/lua: {site.path}: {site.path}:2: boom"
    assert site.logs == [(3, text)]
    assert site.talk.taken() == [f"{text}: the job is taken as it is"]


def test_users_are_told_the_first_line_of_an_error(site: Site) -> None:
    site.run('require "no.such.module"')
    (told,) = site.talk.taken()
    assert told.endswith("module 'no.such.module' not found: the job is taken as it is")


def test_an_error_refuses_if_the_site_says_so(site: Site) -> None:
    site.settings = msgspec.structs.replace(site.settings, refuses=True)
    with pytest.raises(OSError, match="boom") as caught:
        site.run('error("boom")')
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    "loop",
    [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function f() return f() end f()",
    ],
)
def test_endless_loops(site: Site, loop: str) -> None:
    with pytest.raises(OSError, match="took more than 1000000 instructions") as caught:
        site.run(loop)
    assert caught.value.errno == errno.ETIMEDOUT
    assert site.run("return 3")[0] == 3


def test_memory_is_bounded(site: Site) -> None:
    body = 'local t = {} for i = 1, 100 do t[i] = string.rep("x", 10000000) .. i end return 5'
    assert site.run(body)[0] == 0
    assert "not enough memory" in site.said[0]


ERRORS = [
    ('job_desc.time_limit = "abc"', "bad argument #3 to '?' (number expected, got string)"),
    ("job_desc.time_limit = {}", "bad argument #3 to '?' (number expected, got table)"),
    ("job_desc.account = nil", "bad argument #3 to '?' (string expected, got nil)"),
    ("job_desc.account = print", "bad argument #3 to '?' (string expected, got function)"),
    ("job_desc.environment.X = nil", "bad argument #3 to '?' (string expected, got nil)"),
]


@pytest.mark.parametrize(("statement", "said"), ERRORS)
def test_wrong_types(site: Site, statement: str, said: str) -> None:
    site.run(f"local ok, text = pcall(function() {statement} end) slurm.log_info('%s', text)")
    assert site.said[0] == f"lua: {site.path}:2: {said}"


def test_errors_of_formats_are_named_as_in_slurm(site: Site) -> None:
    site.run('slurm.log_info("no value %s")')
    chunk = '[string "slurm.log (0, string.format(unpack({...})))"]:1'
    assert f"{chunk}: bad argument #2 to 'format' (no value)" in site.said[0]


def test_logs(site: Site) -> None:
    site.run("""
      slurm.log_error("e %s", "x") slurm.error("e2 %s", "x") slurm.log_debug("d")
      slurm.log_verbose("v") slurm.log_info(5, 6) slurm.log(1, "one") slurm.log("two")
      return 0
    """)
    assert site.logs == [
        (3, "lua: e x"),
        (3, "lua: x"),
        (7, "lua: d"),
        (7, "lua: v"),
        (6, "lua: 5"),
        (7, "lua: one"),
        (6, "lua: two"),
    ]


def test_messages_for_the_user(site: Site) -> None:
    site.run(r'slurm.log_user("a\nb %d%%", 5) slurm.user_msg("c %s") slurm.log_user("") return 0')
    assert site.talk.taken() == ["a", "b 5%", "c %s"]


def test_names(site: Site) -> None:
    for name, number in NUMBERS.items():
        assert site.run(f"return slurm.{name}")[0] == number, name
    site.run('slurm.log_info("%s %s", slurm.CLUSTER_NAME, tostring(slurm.NOPE)) return 0')
    assert site.said[-1] == "lua: mycluster nil"
    site.run('slurm.log_info("%s", slurm.time_str2mins("1-02:30:00")) return 0')
    assert site.said[-1] == "lua: 1590"


def test_words_and_environment(site: Site) -> None:
    code, job = site.run("""
      slurm.log_info("%s %s %s", job_desc.argc, job_desc.argv[0], job_desc.argv[1])
      slurm.log_info("%s %s", job_desc.environment.HOME, tostring(job_desc.environment.NOPE))
      job_desc.environment.NEW = 5
      job_desc.environment["HOME"] = "/elsewhere"
      return 0
    """)
    assert code == 0
    assert site.said == ["lua: 2 /bin/echo hi", "lua: /home/me nil"]
    assert job.altered
    assert at(job.jobspec, "environment") == {"HOME": "/elsewhere", "NEW": "5"}


def test_a_job_has_nothing_for_pairs(site: Site) -> None:
    assert site.run("for _ in pairs(job_desc) do return 7 end return 0")[0] == 0


def test_bytes_go_both_ways(site: Site) -> None:
    spec = jobspec(comment="gr\udcfc\u00df")
    code, job = site.run('job_desc.admin_comment = job_desc.comment .. "\\255" return 0', spec)
    assert code == 0
    assert job.get("admin_comment") == "gr\udcfc\u00df\udcff"


def test_what_is_not_known_is_said_once(site: Site) -> None:
    site.run("local x = job_desc.nonsense local y = job_desc.nonsense return 0")
    assert site.said == ["job_submit/lua: there is no field nonsense: it is nil"]
    site.run("job_desc.user_id = 7 return 0")
    site.plugin.refresh()
    assert "_set_job_field: unrecognized field: user_id" in site.said


def test_functions_for_old_scripts(site: Site) -> None:
    code, job = site.run("""
      local handle = getmetatable(job_desc)._job_desc
      local mine = setmetatable({}, {
        __index = function(_, k) return _get_job_req_field_name(handle, k) end,
        __newindex = function(_, k, v) _set_job_req_field(handle, k, v) end})
      mine.comment = mine.name
      _set_job_env_field(handle, "A", "b")
      for _, part in pairs(part_list) do
        slurm.log_info("%s", _get_part_rec_field(getmetatable(part)._part_rec_ptr, "max_time"))
      end
      return _get_job_env_field_name(handle, "A") == "b" and 0 or 1
    """)
    assert code == 0
    assert job.get("comment") == "echo"
    assert sorted(site.said) == ["lua: 4294967295", "lua: 60"]


def test_the_names_of_the_manual(site: Site) -> None:
    site.write("function job_submit(d) return 4 end function job_modify(d) return 5 end")
    assert site.plugin.submit(described(jobspec()), OWNER) == 4
    record = JobRec(jobspec(), OWNER, {})
    assert site.plugin.modify(JobDesc({}, OWNER, is_change=True), record, OWNER) == 5


def test_a_change(site: Site) -> None:
    site.write("""
      function slurm_job_submit() return 0 end
      function slurm_job_modify(job_desc, job_rec, part_list, uid)
        slurm.log_info("%s: %s to %s", job_rec.job_id, job_rec.time_limit, job_desc.time_limit)
        job_desc.time_limit = 30
        return 0
      end""")
    change = JobDesc({"attributes": {"system": {"duration": 7200.0}}}, OWNER, is_change=True)
    record = JobRec(jobspec(), OWNER, {"job_id": 5, "time_limit": 60})
    assert site.plugin.modify(change, record, OWNER) == 0
    change.apply()
    assert at(change.jobspec, "duration") == 1800.0
    assert site.said == ["lua: 5: 60 to 120"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("function x( end", ":1: <name> or '...' expected near 'end'"),
        ("function slurm_job_submit() end", "missing required function slurm_job_modify"),
        ("error('at load')", ":1: at load"),
        ("while true do end", "took more than 1000000 instructions"),
        (f"function slurm_job_submit() end {MODIFY} return slurm.ERROR", "returned -1 on load"),
    ],
)
def test_scripts_that_cannot_be_used(site: Site, text: str, said: str) -> None:
    site.write(text)
    with pytest.raises(OSError) as caught:
        _ = site.plugin
    assert caught.value.errno == errno.EINVAL
    assert said in str(caught.value)


def touch(path: pathlib.Path, text: str, second: int) -> None:
    path.write_text(text)
    os.utime(path, (second, second))


def test_a_changed_script_is_taken(site: Site) -> None:
    script = "function slurm_job_submit() return %d end " + MODIFY
    touch(site.path, script % 1, 1)
    assert site.plugin.submit(described(jobspec()), OWNER) == 1
    touch(site.path, script % 2, 2)
    assert site.plugin.submit(described(jobspec()), OWNER) == 2


def test_a_broken_script_leaves_the_one_before(site: Site) -> None:
    touch(site.path, "function slurm_job_submit() return 1 end " + MODIFY, 1)
    assert site.plugin.submit(described(jobspec()), OWNER) == 1
    touch(site.path, "function (", 2)
    for _ in range(2):
        assert site.plugin.submit(described(jobspec()), OWNER) == 1
    (said,) = site.said
    assert said.startswith(f"job_submit/lua: {site.path}: {site.path}:1: ")
    assert said.endswith(", using previous script")
    site.path.unlink()
    for _ in range(2):
        assert site.plugin.submit(described(jobspec()), OWNER) == 1
    assert site.said[1:] == [
        f"job_submit/lua: Unable to stat {site.path}, using old script: No such file or directory"
    ]


def test_a_script_without_its_functions_leaves_the_one_before(site: Site) -> None:
    touch(site.path, "function slurm_job_submit() return 1 end " + MODIFY, 1)
    assert site.plugin.submit(described(jobspec()), OWNER) == 1
    touch(site.path, "function slurm_job_submit() return 2 end", 2)
    assert site.plugin.submit(described(jobspec()), OWNER) == 1
    assert site.said == [
        f"job_submit/lua: {site.path}: missing required function slurm_job_modify",
        f"job_submit/lua: {site.path}: required function(s) not present, using previous script",
    ]


@pytest.mark.parametrize("version", ["5.2", "5.3", "5.4", "luajit21"])
def test_other_versions(site: Site, version: str) -> None:
    site.settings = msgspec.structs.replace(site.settings, version=version)
    code, job = site.run("""
      slurm.log_info("%s %d", job_desc.name, job_desc.num_tasks)
      job_desc.time_limit = job_desc.num_tasks * 5
      return slurm.SUCCESS
    """)
    assert (code, site.said) == (0, ["lua: echo 1"])
    assert job.get("time_limit") == 5


def test_a_version_that_there_is_not(site: Site) -> None:
    site.settings = msgspec.structs.replace(site.settings, version="4.0")
    with pytest.raises(OSError, match=r"there is no Lua 4\.0"):
        site.run("return 0")


def test_a_first_line_for_the_shell(site: Site) -> None:
    site.write(f"#!/usr/bin/lua\nfunction slurm_job_submit() return 6 end {MODIFY}")
    assert site.plugin.submit(described(jobspec()), OWNER) == 6


def test_partitions_of_others_are_not_listed(site: Site) -> None:
    site.surroundings.queues_are([Queue("mine"), Queue("theirs", users=("nobody else",))])
    site.surroundings.look_for(OWNER)
    site.run('for name in pairs(part_list) do slurm.log_info("%s", name) end return 0')
    assert site.said == ["lua: mine"]


def test_a_script_for_a_later_lua_is_told_which(site: Site) -> None:
    site.write(f"function slurm_job_submit() goto done ::done:: return 0 end\n{MODIFY}")
    with pytest.raises(OSError, match=r'\(it is Lua 5\.2: version = "5\.2"\)$'):
        _ = site.plugin


def test_a_script_that_no_lua_understands(site: Site) -> None:
    site.write("function (")
    with pytest.raises(OSError, match=r"expected near '\('$"):
        _ = site.plugin


def test_text_ends_at_a_nul(site: Site) -> None:
    _, job = site.run("""
      slurm.log_user("%s", "a\\0b")
      slurm.log_info("%s", "c\\0d")
      job_desc.comment = "e\\0f"
      job_desc.environment["G"] = "h\\0i"
      return 0
    """)
    job.apply()
    assert site.talk.taken() == ["a"]
    assert site.said[-1] == "lua: c"
    assert (at(job.jobspec, "comment"), job.environment()["G"]) == ("e", "h")


def test_a_record_has_what_slurmctld_records(site: Site) -> None:
    site.write("""
      function slurm_job_submit() return 0 end
      function slurm_job_modify(job_desc, job_rec)
        slurm.log_info("%s %s %s", job_rec.argv[0], job_rec.argv[1], tostring(job_rec.argv[2]))
        for _, name in ipairs({"time_min", "req_switch", "derived_ec", "pn_min_cpus"}) do
          slurm.log_info("%s %s", name, tostring(job_rec[name]))
        end
        return 0
      end
    """)
    record = JobRec(jobspec(slurm={"req_switch": 3}), OWNER, {})
    change = JobDesc({}, OWNER, is_change=True)
    assert site.plugin.modify(change, record, OWNER) == 0
    assert site.said == [
        "lua: /bin/echo hi nil",
        "lua: time_min 0",
        "lua: req_switch 3",
        "lua: derived_ec 0",
        "lua: pn_min_cpus 1",
    ]
