"""The configuration that the multifactor plugin is loaded with, and what jobs may ask for by it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.configuration.checks import Setting
from broker.configuration.document import Document
from broker.configuration.priority import PriorityConfig, parse_priority
from broker.configuration.queues import queue_tables
from broker.slurm.priority.shares import user_name

if TYPE_CHECKING:
    from broker.slurm.priority.candidates import Wishes
    from flux.wire.json import JsonMapping


def check_wishes(config: PriorityConfig, wishes: Wishes, userid: int, *, owner: bool) -> None:
    """Raise OSError(EINVAL) if a job asks for a QOS that there is not, or that is not for its user,
    or for a negative nice value without being the instance ``owner``'s.
    """
    if wishes.nice < 0 and not owner:
        text = "only the owner of the instance may ask for a negative nice"
        raise OSError(errno.EINVAL, text)
    name = wishes.qos
    if not name or not config.qos:
        return
    qos = config.qos.get(name)
    if qos is None:
        known = ", ".join(config.qos)
        raise OSError(errno.EINVAL, f"there is no QOS {name}: there are {known}")
    if qos.allow_user is not None and user_name(userid) not in qos.allow_user:
        raise OSError(errno.EINVAL, f"QOS {name} is not for user {user_name(userid)}")


def parsed(conf: JsonMapping) -> tuple[PriorityConfig, dict[str, tuple[str, ...]]]:
    """Return the configuration that the plugin is loaded with, and what each queue requires.

    Raises OSError(EINVAL) if it is loaded by hand.
    """
    if "priority" not in conf:
        raise OSError(errno.EINVAL, "[priority] in the configuration has it loaded")
    node = Setting(conf.get("queues") or {}, ("queues",), Document([]), {})
    requires = {name: queue.requires for name, queue in queue_tables(node).items()}
    return parse_priority(conf["priority"]), requires
