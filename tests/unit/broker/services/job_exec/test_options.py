"""Options of job-exec: arguments, configuration, and what the log says of them."""

from __future__ import annotations

import errno

import pytest

from broker.configuration.tables import ExecConfig
from broker.services.job_exec.options import ExecOptions, parse_args, with_job_shell


def test_arguments_count_more_than_the_configuration() -> None:
    config = ExecConfig(kill_timeout=7.0, job_shell="/site/shell", imp="/site/imp")
    assert parse_args([]).over(config) == ExecOptions(7.0, "/site/shell", "/site/imp")
    asked = parse_args(["kill-timeout=.5m", "job-shell=/mine"])
    assert asked.over(config) == ExecOptions(30.0, "/mine", "/site/imp")
    assert asked.over(config).seconds == 30.0
    assert ExecOptions().seconds == 5.0


def test_what_the_log_says() -> None:
    told = list(parse_args(["kill-timeout=1m", "job-shell=/a/b", "imp=/c"]).told())
    assert told == [
        "using kill-timeout of 60s",
        "using default shell path /a/b",
        "using imp path /c",
    ]
    (only,) = ExecOptions().told()
    assert only.endswith("/broker/shell/main.py")


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("kill-timeout=1f", "invalid kill-timeout: 1f: Invalid argument"),
        ("kill-timeout=inf", "invalid kill-timeout: inf: Invalid argument"),
        ("kill-timeout=", "invalid kill-timeout: : Invalid argument"),
        ("job-shell=", "invalid job-shell: it is a path"),
        ("imp", "invalid imp: it is a path"),
        ("job_shell=/a", "unknown argument job_shell=/a"),
        ("foo", "unknown argument foo"),
    ],
)
def test_wrong_arguments(argument: str, text: str) -> None:
    with pytest.raises(OSError, match=r"^") as caught:
        parse_args([argument])
    assert (caught.value.errno, caught.value.strerror) == (errno.EINVAL, text)


def test_a_jobspec_that_names_a_shell_keeps_it() -> None:
    own = {"attributes": {"system": {"exec": {"job_shell": "/own"}}}}
    assert with_job_shell(own, "/site") is own
    assert with_job_shell(own, None) is own
    plain = {"attributes": {"system": {"duration": 0, "exec": {"x": 1}}}, "version": 1}
    assert with_job_shell(plain, "/site") == {
        "attributes": {"system": {"duration": 0, "exec": {"x": 1, "job_shell": "/site"}}},
        "version": 1,
    }
    assert plain["attributes"] == {"system": {"duration": 0, "exec": {"x": 1}}}
