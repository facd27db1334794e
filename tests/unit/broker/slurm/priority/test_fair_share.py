"""The three fair-share algorithms, by the examples and rules of their pages."""

from __future__ import annotations

import itertools
import random

import pytest

from broker.configuration.priority import PriorityConfig, parse_priority
from broker.slurm.priority.fair_share import ShareHolder, fair_share

TREE = {
    "a": {"shares": 40, "user": {"u1": 1, "u2": 3}},
    "b": {"shares": 60},
    "b1": {"parent": "b", "shares": 1, "user": {"u3": 1}},
    "b2": {"parent": "b", "shares": 1, "user": {"u4": 1, "u5": 1}},
}
U1, U2, U3, U4, U5 = (
    ShareHolder("a", "u1"),
    ShareHolder("a", "u2"),
    ShareHolder("b1", "u3"),
    ShareHolder("b2", "u4"),
    ShareHolder("b2", "u5"),
)


def config(*flags: str, **more: object) -> PriorityConfig:
    return parse_priority({"account": TREE, "flags": list(flags), **more})


def test_fair_tree_ranks_depth_first() -> None:
    usage = {U1: 10.0, U2: 10.0, U3: 60.0, U4: 15.0, U5: 5.0}
    # Shares to usage: a 0.4 / 0.2, b 0.6 / 0.8; in b, b2 before b1; in a, u2 before u1.
    assert fair_share(config(), usage) == {U2: 1.0, U1: 0.8, U5: 0.6, U4: 0.4, U3: 0.2}


def test_without_usage_all_of_a_level_tie() -> None:
    assert fair_share(config(), {}) == {U1: 1.0, U2: 1.0, U3: 0.6, U4: 0.6, U5: 0.6}
    for flag in ("NO_FAIR_TREE", "DEPTH_OBLIVIOUS"):
        assert set(fair_share(config(flag), {}).values()) == {1.0}


def test_ties_share_a_rank_and_take_their_places() -> None:
    assert fair_share(config(), {U1: 5.0, U3: 1.0}) == {
        U4: 1.0,
        U5: 1.0,
        U3: 0.6,
        U2: 0.4,
        U1: 0.2,
    }


def test_accounts_that_tie_are_ordered_as_one() -> None:
    tree = {"x": {"user": {"p": 1, "q": 1}}, "y": {"user": {"r": 1, "s": 1}}}
    p, q, r, s = (
        ShareHolder("x", "p"),
        ShareHolder("x", "q"),
        ShareHolder("y", "r"),
        ShareHolder("y", "s"),
    )
    usage = {p: 9.0, q: 1.0, r: 6.0, s: 4.0}
    found = fair_share(parse_priority({"account": tree}), usage)
    assert found == {q: 1.0, s: 0.75, r: 0.5, p: 0.25}


def test_a_user_comes_before_an_account_that_ties() -> None:
    user, other = ShareHolder("root", "u"), ShareHolder("x", "v")
    found = fair_share(parse_priority({"account": {"x": {}}}), {}, [user, other])
    assert found == {user: 1.0, other: 0.5}


def test_no_shares_come_last() -> None:
    tree = {"x": {"shares": 0}, "y": {"shares": 1}}
    idle, busy = ShareHolder("x", "p"), ShareHolder("y", "q")
    for flags in ([], ["NO_FAIR_TREE"], ["DEPTH_OBLIVIOUS"]):
        settings = parse_priority({"account": tree, "flags": flags})
        found = fair_share(settings, {busy: 100.0}, [idle])
        assert found[idle] < found[busy]


def test_classic() -> None:
    usage = {U1: 10.0, U2: 10.0, U3: 60.0, U4: 20.0}
    found = fair_share(config("NO_FAIR_TREE"), usage)
    # u1: share 0.4 / 4; a has used 0.2, so 0.1 + (0.2 - 0.1) / 4 count.
    assert found[U1] == pytest.approx(2 ** -(0.125 / 0.1))
    # b1: share 0.3, effectively 0.6 + (0.8 - 0.6) / 2 = 0.7; u3 is all of it.
    assert found[U3] == pytest.approx(2 ** -(0.7 / 0.3))
    damped = fair_share(config("NO_FAIR_TREE", **{"fairshare-dampening-factor": 5}), usage)
    assert damped[U1] == pytest.approx(2**-(0.25))


def test_depth_oblivious() -> None:
    flat = parse_priority({"flags": ["DEPTH_OBLIVIOUS"], "account": {"a": {}, "b": {}}})
    alone, other = ShareHolder("a", "x"), ShareHolder("b", "y")
    found = fair_share(flat, {alone: 75.0, other: 25.0})
    # An account on the first level has its ratio of usage; its only user has it, too.
    assert found == {alone: pytest.approx(2**-1.5), other: pytest.approx(2**-0.5)}
    deep = fair_share(config("DEPTH_OBLIVIOUS"), {U1: 10.0, U2: 10.0, U3: 60.0, U4: 20.0})
    # b: 0.8 / 0.6; b1 has 1.5 times as much as b on the average: in the same direction, so all.
    assert deep[U3] == pytest.approx(2 ** -(0.8 / 0.6 * 1.5))
    assert deep[U5] == 1.0


def test_every_factor_is_between_0_and_1() -> None:
    rng = random.Random(3)
    for _ in range(60):
        names = [f"a{n}" for n in range(rng.randint(1, 8))]
        tree = {
            name: {"shares": rng.randint(0, 5), "parent": rng.choice(["root", *names[:place]])}
            for place, name in enumerate(names)
        }
        members = [
            ShareHolder(rng.choice([*names, "root", "unlisted"]), f"u{n}")
            for n in range(rng.randint(1, 30))
        ]
        usage = {member: rng.choice([0.0, rng.random() * 1e6]) for member in members}
        for flags in ([], ["NO_FAIR_TREE"], ["DEPTH_OBLIVIOUS"]):
            found = fair_share(parse_priority({"account": tree, "flags": flags}), usage)
            assert set(found) == set(usage)
            assert all(0.0 <= factor <= 1.0 for factor in found.values())


def test_more_usage_is_never_better() -> None:
    rng = random.Random(4)
    for flags in ([], ["NO_FAIR_TREE"], ["DEPTH_OBLIVIOUS"]):
        for _ in range(40):
            usage = {member: rng.random() * 100 + 1 for member in (U1, U2, U3, U4, U5)}
            before = fair_share(config(*flags), usage)
            more = fair_share(config(*flags), {**usage, U4: usage[U4] * 2})
            assert more[U4] <= before[U4]


def test_accounts_may_be_nested_deeply() -> None:
    depth = 3000
    tree = {f"a{n}": {"parent": f"a{n - 1}" if n else "root"} for n in range(depth)}
    members = [ShareHolder(f"a{depth - 1}", "u"), ShareHolder("a0", "v")]
    for flags in ([], ["NO_FAIR_TREE"], ["DEPTH_OBLIVIOUS"]):
        found = fair_share(
            parse_priority({"account": tree, "flags": flags}), dict.fromkeys(members, 1.0)
        )
        assert set(found) == set(members)


def test_ten_thousand_users_have_a_place_each() -> None:
    users = itertools.product(range(100), range(100))
    usage = {ShareHolder(f"a{a}", f"u{u}"): float(a * 100 + u + 1) for a, u in users}
    found = fair_share(parse_priority({}), usage)
    assert sorted(found.values()) == [rank / 10000 for rank in range(1, 10001)]
