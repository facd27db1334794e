"""Fair share: who has used less of the machine comes first.

    flux jobtap load ./fairshare.py half-life=7d interval=30s

A user's usage is core-seconds of jobs, of which half is forgotten in each ``half-life``. A job's
priority is its urgency first and then its user's share: 100,000 an urgency, less up to 99,999 for
usage. Every ``interval`` running jobs are charged, old usage decays and pending jobs get their
priorities anew. The usage is kept in the key-value store, so that a restart does not forget it:
until it has been read, jobs wait for their priority.

``job-manager.fairshare.query`` tells the usage of all users.
"""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING

from flux.idset import decode as decode_idset
from flux.kvs_txn import commit_request, put_op
from flux.treeobj import decode_val
from flux.util import parse_fsd

if TYPE_CHECKING:
    from broker.jobtap.future import PluginFuture
    from broker.jobtap.plugin import Args, JobtapPlugin
    from broker.service import Request
    from flux.wire.json import JsonMapping

KEY = "jobtap.fairshare"
AN_URGENCY = 100_000
PRIORITY, RUN, CLEANUP = 4, 16, 32


class FairShare:
    """What each user has used, and the running jobs, which use more."""

    def __init__(self, plugin: JobtapPlugin) -> None:
        self.plugin = plugin
        self.flux = plugin.get_flux()
        self.half_life = parse_fsd(str(plugin.conf.get("half-life", "7d")))
        self.interval = parse_fsd(str(plugin.conf.get("interval", "30s")))
        self.usage: dict[int, float] | None = None  # by user id; None until it has been read
        self.running: dict[int, tuple[int, int]] = {}  # job id: user id, cores
        self.charged = self.flux.now()
        self.flux.spawn(self.begin())

    async def begin(self) -> None:
        """Read what was kept, then charge and decay for ever."""
        usage = await self.load()
        self.charge()
        self.usage = usage
        self.plugin.reprioritize_all()
        self.flux.call_every(self.interval, self.tick)

    async def load(self) -> dict[int, float]:
        """Return the usage as it was kept, less what has decayed since."""
        request = {"key": KEY, "namespace": "primary", "flags": 0}
        try:
            kept = json.loads(decode_val((await self.flux.rpc("kvs.lookup", request))["val"]))
        except OSError as exc:
            if exc.errno != errno.ENOENT:
                raise
            return {}
        decay = self.decay(self.flux.now() - kept["time"])
        return {int(user): used * decay for user, used in kept["usage"].items()}

    def decay(self, seconds: float) -> float:
        """Return what is left of usage after some time."""
        return float(0.5 ** (max(0.0, seconds) / self.half_life))

    def tick(self) -> None:
        """Charge, keep the usage, and have priorities given anew."""
        self.charge()
        self.plugin.reprioritize_all()
        usage = {str(user): used for user, used in (self.usage or {}).items()}
        kept = {"time": self.charged, "usage": usage}
        ops = [put_op(KEY, json.dumps(kept).encode())]
        self.flux.rpc("kvs.commit", commit_request(ops)).then(self.stored)

    def stored(self, future: PluginFuture) -> None:
        """The usage is kept, or the log says why not."""
        future.get()

    def charge(self) -> None:
        """Let usage decay, and add that of the running jobs, up to now."""
        now = self.flux.now()
        passed, self.charged = now - self.charged, now
        if self.usage is None:
            return
        decay = self.decay(passed)
        self.usage = {user: used * decay for user, used in self.usage.items() if used > 0.01}
        for user, cores in self.running.values():
            self.usage[user] = self.usage.get(user, 0.0) + cores * passed

    def rate(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """Give a job its priority."""
        if self.usage is None:
            if args["state"] == PRIORITY:  # others have one and keep it
                plugin.priority_unavail(args)
            return
        most = max(self.usage.values(), default=0.0)
        part = self.usage.get(args["userid"], 0.0) / most if most > 0 else 0.0
        args.out["priority"] = args["urgency"] * AN_URGENCY - int(part * (AN_URGENCY - 1))

    def new(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job is there already: it may run."""
        if args["state"] in (RUN, CLEANUP):
            self.begins(plugin, topic, args)

    def begins(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job has its resources."""
        self.charge()
        self.running[args["id"]] = (args["userid"], cores_of(args["R"]))

    def ends(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job is over."""
        if args["id"] in self.running:
            self.charge()
            del self.running[args["id"]]

    def query(self, request: Request) -> dict[str, object]:
        """Tell the usage of all users."""
        self.charge()
        return {"usage": {str(user): used for user, used in (self.usage or {}).items()}}


def cores_of(resources: JsonMapping | None) -> int:
    """Return how many cores an R has."""
    ranks = (resources or {}).get("execution", {}).get("R_lite", [])
    return sum(
        len(decode_idset(entry["rank"])) * len(decode_idset(entry["children"]["core"]))
        for entry in ranks
    )


def flux_plugin_init(plugin: JobtapPlugin) -> None:
    """Begin."""
    share = FairShare(plugin)
    plugin.add_handler("job.new", share.new)
    plugin.add_handler("job.state.priority", share.rate)
    plugin.add_handler("job.priority.get", share.rate)
    plugin.add_handler("job.state.run", share.begins)
    plugin.add_handler("job.state.inactive", share.ends)
    plugin.service_register("query", share.query)
