"""``[priority]``: what may be in it, and what is said about mistakes."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from broker.configuration import Config, from_tables
from broker.configuration.priority import (
    AccountConfig,
    PriorityConfig,
    PriorityFlag,
    QosConfig,
    WeightConfig,
    parse_priority,
)


def test_nothing_is_the_default() -> None:
    assert Config().priority is None
    config = parse_priority({})
    assert config == PriorityConfig()
    assert config.acts
    assert not parse_priority({"type": "basic"}).acts


def test_every_key() -> None:
    config = parse_priority(
        {
            "type": "multifactor",
            "calc-period": "1m",
            "decay-half-life": "14d",
            "usage-reset-period": "monthly",
            "favor-small": True,
            "max-age": "1d",
            "fairshare-dampening-factor": 2,
            "flags": ["ACCRUE_ALWAYS", "NO_NORMAL_ALL"],
            "default-account": "none",
            "default-qos": "low",
            "site-factor-plugin": "site_factor/mine",
            "site-factor-parameters": "a=1",
            "site-factor-path": ["/a", "/b"],
            "site-factor-timeout": "2s",
            "weight": {
                "age": 1,
                "assoc": 2,
                "fairshare": 3,
                "job-size": 4,
                "partition": 5,
                "qos": 6,
                "urgency": 7,
                "tres": {"cpu": -8, "gres/gpu": 0.5},
            },
            "queue": {"batch": 10},
            "qos": {"low": {"priority": 5, "allow-user": ["alice"]}},
            "account": {"a": {"shares": 3, "user": {"alice": 4}}, "b": {"parent": "a"}},
        }
    )
    assert (config.calc_period, config.decay_half_life, config.max_age) == (60, 1209600, 86400)
    assert config.has(PriorityFlag.NO_NORMAL_QOS)
    assert not config.has(PriorityFlag.INCR_ONLY)
    assert config.weight == WeightConfig(1, 2, 3, 4, 5, 6, 7, {"cpu": -8.0, "gres/gpu": 0.5})
    assert config.qos == {"low": QosConfig(5, ("alice",))}
    assert config.account == {
        "a": AccountConfig("root", 3, 0, {"alice": 4}),
        "b": AccountConfig("a"),
    }
    assert config.site_factor_path == ("/a", "/b")


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"wieght": {}}, "priority.wieght: unknown key (did you mean weight?)"),
        ({"type": "fifo"}, 'priority.type: must be one of "multifactor", "basic"'),
        ({"calc-period": "0s"}, "priority.calc-period: must be longer than 0"),
        ({"max-age": 5}, 'priority.max-age: must be a string, a duration such as "7d"'),
        ({"flags": "MAX_TRES"}, "priority.flags: must be an array"),
        (
            {"flags": ["CALCULATE_RUNNING"]},
            "priority.flags[0]: CALCULATE_RUNNING: the priority of a running job has no effect",
        ),
        ({"flags": ["MAX_TRES"]}, "priority.flags[0]: MAX_TRES: usage is counted in cores"),
        ({"flags": ["NO_FLAG"]}, "priority.flags[0]: there is no flag NO_FLAG: there are ACCRUE"),
        ({"weight": {"age": -1}}, "priority.weight.age: must be an integer, 0 to 4294967295"),
        ({"weight": {"age": True}}, "priority.weight.age: must be an integer"),
        ({"weight": {"tres": {"mem": 1}}}, "priority.weight.tres.mem: unknown key"),
        ({"weight": {"tres": {"cpu": "1"}}}, "priority.weight.tres.cpu: must be a number"),
        ({"weight": {"tres": {"cpu": 1e99}}}, "priority.weight.tres.cpu: must be a number"),
        ({"queue": {"a": 65534}}, "priority.queue.a: must be an integer, 0 to 65533"),
        ({"queue": {"": 1}}, "a name is printable, and not empty"),
        ({"qos": {"a": 1}}, "priority.qos.a: must be a table"),
        (
            {"qos": {"a": {}}, "default-qos": "b"},
            "priority.default-qos: there is no [priority.qos.b]",
        ),
        ({"account": {"root": {}}}, "priority.account.root: is above all others"),
        (
            {"account": {"a": {"parent": "b"}}},
            "priority.account.a.parent: there is no [priority.account.b]",
        ),
        (
            {"account": {"a": {"parent": "b"}, "b": {"parent": "a"}}},
            "priority.account.a.parent: leads back to the account",
        ),
        ({"account": {"a": {"user": {"x": -1}}}}, "priority.account.a.user.x: must be an integer"),
        ({"decay-half-life": "0s"}, "priority.decay-half-life: of 0, usage that never decays"),
        ({"usage-reset-period": "hourly"}, "priority.usage-reset-period: must be one of"),
    ],
)
def test_mistakes(table: dict[str, Any], text: str) -> None:
    for parse in (parse_priority, lambda found: from_tables({"priority": found})):
        with pytest.raises(OSError, match=r".") as failure:
            parse(table)
        assert failure.value.errno == errno.EINVAL
        assert text in str(failure.value.strerror)


def test_the_factor_of_a_queue_that_is_missing() -> None:
    priority = {"queue": {"batch": 1, "debug": 2}}
    with pytest.raises(OSError, match=r"priority.queue.debug: there is no \[queues.debug\]"):
        from_tables({"queues": {"batch": {}}, "priority": priority})
    queues: dict[str, Any] = {"batch": {}, "debug": {}}
    assert from_tables({"queues": queues, "priority": priority}).priority == PriorityConfig(
        queue={"batch": 1, "debug": 2}
    )
