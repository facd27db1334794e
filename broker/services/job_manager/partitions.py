"""The queues of the job manager as job-submit plugins of Slurm are told of them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from broker.slurm.job_submit.partitions import Queue

if TYPE_CHECKING:
    from broker.services.job_manager.policy import JobPolicy, QueuePolicy
    from broker.services.job_manager.queues import Queues
    from flux.wire.json import JsonObject


def partitions(policy: JobPolicy, queues: Queues) -> list[JsonObject]:
    """Return the named queues, in their order; none if there is but the one without a name."""
    found = []
    for name, rules in policy.queues.items():
        if name:
            state = queues.of(name)
            queue = _queue(rules, is_default=name == policy.default)
            queue.enabled, queue.started = state.submission.on, state.scheduling.on
            found.append(msgspec.to_builtins(queue))
    return found


def _queue(rules: QueuePolicy, *, is_default: bool) -> Queue:
    return Queue(
        rules.name,
        is_default,
        rules.longest,
        rules.duration,
        rules.most.get("nnodes"),
        rules.least.get("nnodes", 0),
        None if rules.users is None else tuple(sorted(rules.users)),
        None if rules.groups is None else tuple(sorted(rules.groups)),
        rules.requires,
    )
