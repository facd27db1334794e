"""The fair-share factor: who has used less than was promised comes first. No I/O.

Accounts are a tree below `ROOT`; users are its leaves, each below the accounts that it charges. A
node has shares, which are worth what they are among those of its siblings, and usage, which is that
of all below it. Three algorithms turn that into a factor from 0 to 1 for each user:

- Fair Tree, the default: siblings in the order of shares to usage, and everything below one of them
  before everything below the next; a user's factor is its place in that order;
- classic: 2 to the power of minus usage by shares, where what the siblings of an account have used
  counts for its users as far as that account is responsible;
- depth oblivious: the same, in a way that the depth of the tree makes little difference to.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from broker.configuration.priority import ROOT, AccountConfig, PriorityFlag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from broker.configuration.priority import PriorityConfig


class ShareHolder(NamedTuple):
    """A user, by name, as a member of an account."""

    account: str
    user: str


class ShareNode(Struct, eq=False):
    """An account, or a user of one (``member``), with its shares and the usage of all below it."""

    shares: int = 1
    usage: float = 0.0
    member: ShareHolder | None = None
    children: list[ShareNode] = field(default_factory=list)


def fair_share(
    config: PriorityConfig, usage: Mapping[ShareHolder, float], members: Iterable[ShareHolder] = ()
) -> dict[ShareHolder, float]:
    """Return the factor of each user: those of the configuration, those with usage, and
    ``members``.
    """
    top = share_tree(config, usage, members)
    if config.has(PriorityFlag.DEPTH_OBLIVIOUS):
        return _depth_oblivious(top)
    if config.has(PriorityFlag.NO_FAIR_TREE):
        return _classic(top, config.fairshare_dampening_factor)
    return _fair_tree(top)


def share_tree(
    config: PriorityConfig, usage: Mapping[ShareHolder, float], members: Iterable[ShareHolder] = ()
) -> ShareNode:
    """Return the node of `ROOT`."""
    accounts = dict(config.account)
    known = {ShareHolder(name, user) for name, table in accounts.items() for user in table.user}
    known |= {*usage, *members}
    unlisted = AccountConfig()
    for member in known:
        if member.account != ROOT:
            accounts.setdefault(member.account, unlisted)
    nodes = {name: ShareNode(table.shares) for name, table in accounts.items()}
    nodes[ROOT] = ShareNode()
    for name, table in accounts.items():
        nodes[table.parent].children.append(nodes[name])
    for member in known:
        table = accounts.get(member.account, unlisted)
        leaf = ShareNode(table.user.get(member.user, 1), usage.get(member, 0.0), member)
        nodes[member.account].children.append(leaf)
    _sum_up(nodes[ROOT])
    return nodes[ROOT]


def _sum_up(top: ShareNode) -> None:
    """Add the usage of users to that of the accounts above them."""
    order = [top]
    for node in order:
        order.extend(node.children)  # those below come after those above
    for node in reversed(order):
        if node.member is None:
            node.usage = math.fsum(child.usage for child in node.children)


def _fair_tree(top: ShareNode) -> dict[ShareHolder, float]:
    """Rank users depth first. Those that tie have the same rank; accounts that tie are one, as far
    as the order below them is concerned, and come after a user that ties with them.
    """
    waiting = list(reversed(_tied([_levels(top)])))
    places: list[list[ShareHolder]] = []
    while waiting:
        group = waiting.pop()
        if users := [node.member for node in group if node.member is not None]:
            places.append(users)
        below = [_levels(node) for node in group if node.children]
        waiting.extend(reversed(_tied(below)))
    count = rank = sum(len(users) for users in places)
    found: dict[ShareHolder, float] = {}
    for users in places:
        found.update(dict.fromkeys(users, rank / count))
        rank -= len(users)
    return found


def _levels(parent: ShareNode) -> list[tuple[float, ShareNode]]:
    """Return what is below a node, each with its shares by its usage among its siblings."""
    shares = sum(child.shares for child in parent.children)
    usage = parent.usage
    found = []
    for child in parent.children:
        share = child.shares / shares if shares else 0.0
        used = child.usage / usage if usage else 0.0
        level = 0.0 if not share else share / used if used else math.inf
        found.append((level, child))
    return found


def _tied(families: Iterable[list[tuple[float, ShareNode]]]) -> list[list[ShareNode]]:
    """Return nodes in groups of equal levels, the highest first."""
    groups: dict[float, list[ShareNode]] = {}
    for family in families:
        for level, node in family:
            groups.setdefault(level, []).append(node)
    return [groups[level] for level in sorted(groups, reverse=True)]


class _Standing(NamedTuple):
    """What the classic algorithms hand down from a node to those below: its part of all shares, and
    its effective usage or ratio of usage.
    """

    node: ShareNode
    share: float
    usage: float
    top: bool = False


def _classic(top: ShareNode, damping: int) -> dict[ShareHolder, float]:
    total, found = top.usage, dict[ShareHolder, float]()
    waiting = [_Standing(top, 1.0, 1.0, True)]
    while waiting:
        parent = waiting.pop()
        siblings = sum(child.shares for child in parent.node.children)
        for child in parent.node.children:
            part = child.shares / siblings if siblings else 0.0
            used = child.usage / total if total else 0.0
            if not parent.top:
                used += (parent.usage - used) * part
            share = parent.share * part
            if child.member is not None:
                found[child.member] = 2.0 ** (-used / share / damping) if share else 0.0
            waiting.append(_Standing(child, share, used))
    return found


def _depth_oblivious(top: ShareNode) -> dict[ShareHolder, float]:
    total, found = top.usage, dict[ShareHolder, float]()
    waiting = [_Standing(top, 1.0, 1.0, True)]
    while waiting:
        parent = waiting.pop()
        siblings = sum(child.shares for child in parent.node.children)
        all_used = parent.node.usage / total if total else 0.0
        for child in parent.node.children:
            share = parent.share * child.shares / siblings if siblings else 0.0
            used = child.usage / total if total else 0.0
            if not share:
                ratio = math.inf
            elif parent.top:
                ratio = used / share
            else:
                local = used / share / (all_used / parent.share) if all_used else 0.0
                ratio = _ratio_below(parent.usage, local)
            if child.member is not None:
                found[child.member] = 2.0**-ratio
            waiting.append(_Standing(child, share, ratio))
    return found


def _ratio_below(above: float, local: float) -> float:
    """Return the effective ratio of usage of a node: that of its parent, times its own among its
    siblings to a power that says how far it is judged by its own.
    """
    if not above or not local or math.isinf(above):
        return 0.0 if not math.isinf(above) else math.inf
    logarithm = math.log(above)
    against = logarithm * math.log(local) <= 0
    power = 1.0 / (1.0 + (5.0 * logarithm) ** 2) if against else 1.0
    return above * math.pow(local, power)
