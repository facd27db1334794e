"""Limits for each user: how many jobs may be active, and how many of them may run.

    flux jobtap load ./limits.py max-active=100 max-running=10

A submission beyond ``max-active`` is refused. A job beyond ``max-running`` waits with the
dependency ``max-running`` until another one of its user has ended; those that wait go on in their
order. As running counts a job from the moment nothing but the scheduler keeps it waiting.
``users`` in the configuration has limits of single users, by name:

    [[job-manager.plugins]]
    load = "limits.py"
    conf = { max-running = 10, users = { alice = { max-running = 50 } } }

``job-manager.limits.query`` tells the counts of all users.
"""

from __future__ import annotations

import pwd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.jobtap.plugin import Args, JobtapPlugin
    from broker.service import Request

WAITS = "max-running"
NEW, DEPEND = 1, 2
KEYS = ("max-active", "max-running")


class User:
    """The active jobs of one user, by what they do, and the limits (None for no limit)."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self.max_active, self.max_running = (limits.get(key) for key in KEYS)
        self.waiting: dict[int, None] = {}  # in the order in which they may run
        self.running: set[int] = set()

    @property
    def active(self) -> int:
        """How many jobs are not over."""
        return len(self.waiting) + len(self.running)

    @property
    def has_room(self) -> bool:
        """Whether one more may run."""
        return self.max_running is None or len(self.running) < self.max_running


class Limits:
    """The users, and what the plugin does when their jobs come and go."""

    def __init__(self, plugin: JobtapPlugin) -> None:
        self.plugin = plugin
        self.limits, self.special = checked(plugin.conf)
        self.users: dict[int, User] = {}

    def user(self, userid: int) -> User:
        """Return what is known of a user."""
        if userid not in self.users:
            self.users[userid] = User(self.limits_of(userid))
        return self.users[userid]

    def limits_of(self, userid: int) -> dict[str, int]:
        """Return the limits of a user: those in ``users``, otherwise everybody's."""
        try:
            name = pwd.getpwuid(userid).pw_name
        except KeyError:
            name = str(userid)
        return {**self.limits, **self.special.get(name, {})}

    def validate(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job is submitted: refuse it if its user has too many."""
        user = self.user(args["userid"])
        if user.max_active is not None and user.active >= user.max_active:
            plugin.reject_job(args, f"you have {user.active} active jobs, as many as you may have")

    def new(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job is submitted, or is there already after a restart or when the plugin is loaded."""
        user, jobid = self.user(args["userid"]), args["id"]
        at_once = user.has_room and not user.waiting and not self.has_dependencies(args)
        if args["state"] > DEPEND or at_once:
            user.running.add(jobid)
        else:
            user.waiting[jobid] = None
            plugin.job_subscribe(jobid)
            if args["state"] == NEW or WAITS not in plugin.dependencies(jobid):
                plugin.dependency_add(jobid, WAITS)
            else:
                plugin.get_flux().call_later(0, self.let_run, user)

    def has_dependencies(self, args: Args) -> bool:
        """Whether a job waits for something else."""
        if args["state"] == DEPEND:
            return True
        return bool(args["jobspec"]["attributes"]["system"].get("dependencies"))

    def let_run(self, user: User) -> None:
        """Release the jobs that there is room for and that wait for nothing else."""
        for jobid in list(user.waiting):
            if not user.has_room:
                return
            if self.plugin.dependencies(jobid) == [WAITS]:
                del user.waiting[jobid]
                user.running.add(jobid)
                self.plugin.job_unsubscribe(jobid)
                self.plugin.dependency_remove(jobid, WAITS)

    def changed(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A dependency has come or gone: perhaps nothing but the limit is left."""
        self.let_run(self.user(args["userid"]))

    def ended(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job is over: there may be room for another one."""
        user = self.user(args["userid"])
        user.waiting.pop(args["id"], None)
        user.running.discard(args["id"])
        self.let_run(user)

    def query(self, request: Request) -> dict[str, object]:
        """Tell the counts of all users, guests their own."""
        counts = {
            str(userid): {
                "active": user.active,
                "running": len(user.running),
                "waiting": len(user.waiting),
            }
            for userid, user in self.users.items()
            if user.active and (request.is_owner or request.userid == userid)
        }
        return {"users": counts}


def checked(conf: Mapping[str, object]) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Return everybody's limits and those of single users; a mistake keeps the plugin from being
    loaded.
    """
    everybody = {key: value for key, value in conf.items() if key != "users"}
    users = conf.get("users", {})
    if not isinstance(users, dict):
        raise ValueError("users is a table of limits by user name")
    return table(everybody), {str(name): table(limits) for name, limits in users.items()}


def table(limits: Mapping[str, object]) -> dict[str, int]:
    """Return limits that make sense; raises ValueError."""
    found = {}
    for key, value in limits.items():
        if key not in KEYS:
            raise ValueError(f"unknown key {key}")
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ValueError(f"{key} is a number of jobs, not {value!r}")
        found[key] = value
    return found


def flux_plugin_init(plugin: JobtapPlugin) -> None:
    """Begin."""
    limits = Limits(plugin)
    plugin.add_handler("job.validate", limits.validate)
    plugin.add_handler("job.new", limits.new)
    plugin.add_handler("job.event.depend*", limits.changed)
    plugin.add_handler("job.state.inactive", limits.ended)
    plugin.add_handler("job.destroy", limits.ended)
    plugin.service_register("query", limits.query)
