"""A maintenance window: no job runs into it.

    flux jobtap load ./window.py start=$(date -d 'next monday 8:00' +%s) duration=4h

From ``start`` (seconds since the epoch) on, for ``duration``, nothing runs. A job whose time limit
would reach into the window is held, and so is one without a limit; ``flux jobs`` says why. A
shorter one runs until it could not end in time any more. After the window all are released.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.util import parse_fsd

if TYPE_CHECKING:
    from broker.jobtap.plugin import Args, JobtapPlugin
    from broker.jobtap.timers import PluginTimer

HELD = 0


class Window:
    """The window, and the jobs that it keeps from running or may keep later."""

    def __init__(self, plugin: JobtapPlugin) -> None:
        if not {"start", "duration"} == plugin.conf.keys():
            raise ValueError("say start=SECONDS and duration=FSD")
        self.plugin = plugin
        self.flux = plugin.get_flux()
        self.start = float(plugin.conf["start"])
        self.end = self.start + parse_fsd(str(plugin.conf["duration"]))
        self.latest: dict[int, PluginTimer] = {}  # when a waiting job is too late
        self.held: set[int] = set()
        self.flux.call_at(self.end, self.over)

    def rate(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """Hold a job that would run into the window; the priority of others is not changed."""
        jobid, now = args["id"], self.flux.now()
        self.forget_timer(jobid)
        if now >= self.end:
            self.release(jobid)
            return
        limit = args["jobspec"]["attributes"]["system"].get("duration") or float("inf")
        if now + limit > self.start:
            args.out["priority"] = HELD
            self.hold(jobid)
        else:
            self.release(jobid)
            self.latest[jobid] = self.flux.call_at(self.start - limit, self.too_late, jobid)

    def too_late(self, jobid: int) -> None:
        """A job that still waits could not end in time any more."""
        del self.latest[jobid]
        self.hold(jobid)
        self.plugin.reprioritize_job(jobid, HELD)

    def hold(self, jobid: int) -> None:
        """Say why a job is held."""
        if jobid not in self.held:
            self.held.add(jobid)
            self.plugin.set_reason(
                jobid, f"would run into the maintenance from {self.start:.0f} on"
            )

    def release(self, jobid: int) -> None:
        """Nothing keeps a job any more."""
        if jobid in self.held:
            self.held.discard(jobid)
            self.plugin.set_reason(jobid, None)

    def forget_timer(self, jobid: int) -> None:
        """A job cannot come too late any more."""
        timer = self.latest.pop(jobid, None)
        if timer is not None:
            timer.cancel()

    def over(self) -> None:
        """The window is over: all get their priorities back."""
        self.flux.log(6, "the maintenance is over")
        self.plugin.reprioritize_all()

    def leaves(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job runs, or is over before it ran."""
        self.forget_timer(args["id"])
        self.held.discard(args["id"])


def flux_plugin_init(plugin: JobtapPlugin) -> None:
    """Begin."""
    window = Window(plugin)
    plugin.add_handler("job.state.priority", window.rate)
    plugin.add_handler("job.priority.get", window.rate)
    plugin.add_handler("job.state.run", window.leaves)
    plugin.add_handler("job.state.cleanup", window.leaves)
