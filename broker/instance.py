"""One broker: its parts put together, and what it does in each state (`broker.runlevel`)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from broker.archives import Archives
from broker.builtin_rc import BuiltInRc
from broker.cleanup import CleanupCommands
from broker.emergency import (
    FOLLOWERS_WAIT,
    HURRIED_KILL_DELAY,
    HURRIED_LINGER,
    HURRIED_UNLOAD,
    STATE_LIMITS,
)
from broker.enclosing import tell_enclosing
from broker.ending import end_jobs, start_no_more
from broker.log import CRIT
from broker.modhost import ModuleHost
from broker.own_services import OwnServices
from broker.quorum import QuorumWait
from broker.recovery import greeting, recovering
from broker.runlevel import FAILURES, Runlevel
from broker.scripts import Scripts
from broker.sd_notify import SdNotify, status_of
from broker.site_rc import BUILT_IN, command_of
from broker.startlog import StartLog
from broker.stored import jobs_outlive
from broker.subprocess.descendants import Orphans
from broker.todays_attributes import CLEANUP_TIMEOUT, SHUTDOWN_TIMEOUT, end_timeout
from broker.watchdog import Watchdog
from flux import CORE_VERSION
from flux.idset import IDset
from flux.job.states import JobState
from flux.modules import CONNECTOR
from flux.waitstatus import SIGNALED

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from typing import ClassVar

    from broker.config import BrokerOptions
    from broker.emergency import Emergency
    from broker.foundation import Foundation
    from broker.overlay.network import Overlay

KILL_DELAY = 5.0
REPEATED_SIGNAL = 0.5
"""Seconds within which the same signal counts once: ``flux start`` passes on what the whole process
group may have got."""
REAP_PERIOD = 5.0


class Broker:
    """A broker from the end of wire-up to its exit.

    ``base`` is what it stands on, ``overlay`` its links, None for a broker that is alone,
    ``emergency`` keeps the time after a loss.
    """

    def __init__(
        self,
        options: BrokerOptions,
        base: Foundation,
        overlay: Overlay | None,
        emergency: Emergency,
    ) -> None:
        self.options = options
        self.topology = base.topology
        self.attrs = base.attrs
        self.rank = base.topology.rank
        self.router = base.router
        self.host = base.host
        self.log = base.log
        self.overlay = overlay
        self.emergency = emergency
        self.exit_code = 0
        self._handle = base.endpoint.handle
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        self._children_done = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._commands = CleanupCommands()
        self._scripts = Scripts(self.attrs, self.log.log, self._commands)
        self._last_signal = (0, 0.0)
        self._orphans = Orphans()
        self.modules = ModuleHost(self.host, self.log)
        self.runlevel = Runlevel(time.monotonic, self.log.info, self._entered)
        self._archives = Archives(self.attrs, self._scripts)
        self._builtin_rc = BuiltInRc(base.ctx, self.modules, self._archives)
        self._start_log = StartLog(base.ctx)
        self._recovering = recovering(self.attrs)
        self._systemd = SdNotify(self.attrs)
        self._rc1_code = 0
        self._own = OwnServices(
            base,
            overlay,
            self.modules,
            self.runlevel,
            self._commands,
            self._membership_changed,
            emergency.finish,
        )
        self.state = self._own.state
        self.state.on_status = self._systemd.status
        self._quorum_wait = QuorumWait(
            self.attrs, lambda: self.state.online, lambda: self.state.gone, self.log.err
        )

    # Life

    async def run(self) -> int:
        """Live until the exit state and return the exit code."""
        self._loop.set_exception_handler(self._loop_fault)
        watchdog = Watchdog(self._busy, self._stuck)
        watchdog.start()
        self.log.debug(f"insmod {CONNECTOR}")
        await self._own.mount()
        overlay = self.overlay
        if overlay is not None:
            overlay.timeout = float(self.attrs.get("overlay.timeout") or overlay.timeout)
            overlay.child_left = self._child_left
            overlay.parent_lost = self._parent_lost
            overlay.start()
        self._handle_signals()
        self.emergency.watch(self._loop, self._lifeline_cut)
        self._reap_orphans()
        self._systemd.ready()
        self.runlevel.post("start")
        await self._stopped.wait()
        if overlay is not None and self.emergency.begun:
            await overlay.close(HURRIED_LINGER)
        elif overlay is not None:
            await overlay.close()
        watchdog.stop()
        return self.exit_code

    # Faults that cost one message, not the broker

    def _loop_fault(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
        exc = context.get("exception")
        if isinstance(exc, Exception):
            self.log.exception(f"{context['message']}: {type(exc).__name__}: {exc}", exc)
        else:
            self.log.err(str(context["message"]))

    def _busy(self, place: str, seconds: float) -> None:
        self.log.warning(f"the event loop was busy for {seconds:.1f}s in {place}")

    def _stuck(self, place: str) -> None:
        """Called in the watchdog's thread: the log belongs to the loop, which does not turn."""
        with contextlib.suppress(OSError, ValueError):
            os.write(
                2, f"flux-broker: rank {self.rank}: the event loop is stuck in {place}\n".encode()
            )

    def _entered(self, state: str) -> None:
        self.state.entered()
        program = " ".join(self.options.command) if self.rank == 0 else ""
        if status := status_of(state, self.attrs, self.topology.size, program):
            self._systemd.status(status)
        if state == "shutdown":
            self.exit_code = self.exit_code or self.state.exit_code
            self._quorum_wait.end()
        work = self._guard(state, self.ACTIONS[state](self))
        task = self._loop.create_task(work, name=f"state {state}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.emergency.begun:
            self._limit(state)

    async def _guard(self, state: str, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        except Exception as exc:
            if not isinstance(exc, OSError):
                self.log.exception(f"state {state}: {type(exc).__name__}: {exc}", exc)
            reason = exc.strerror or str(exc) if isinstance(exc, OSError) else str(exc)
            self.log.log(CRIT, f"state {state} failed: {reason}")
            self.exit_code = self.exit_code or 1
            if not self.runlevel.post(FAILURES[state]):
                self._stopped.set()

    async def _join(self) -> None:
        if self.rank == 0 or self.overlay is None:
            self.runlevel.post("parent-none")
            return
        await self.overlay.join(CORE_VERSION)
        self.runlevel.post("parent-ready")

    async def _init(self) -> None:
        told = self._loop.create_task(self._tell_enclosing(), name="tell the enclosing instance")
        try:
            code = await self._run_rc("rc1")
            await told
        finally:
            told.cancel()
        self._rc1_code = code or 0
        self.exit_code = self.exit_code or self._rc1_code
        if code and not (self._recovering and "kvs" in self.modules):
            self.runlevel.post("rc1-fail")
            return
        await self._start_log.started()
        self.runlevel.post("rc1-none" if code is None else "rc1-success")

    async def _tell_enclosing(self) -> None:
        if self.rank == 0:
            await tell_enclosing(self.attrs, self.log)

    async def _run_rc(self, name: str) -> int | None:
        """Run rc1 or rc3: built in, with what the site has for it, a script, or nothing; returns
        its exit code, None for nothing.

        rc3 ends with unloading what is still loaded, and fails if a module cannot bring its data
        to safety.
        """
        path = self._rc_command(name)
        started = time.monotonic()
        code: int | None = None
        if path == BUILT_IN:
            code = await self._builtin_rc.run() if name == "rc1" else 0
        elif path:
            if name == "rc1" and self.attrs.get("broker.rc1_path") == BUILT_IN:
                await self._builtin_rc.restore()
            code = await self._scripts.rc(name, path)
        if name == "rc3" and await self._unload_modules():
            code = code or 1
        if path == BUILT_IN:
            self.log.info(
                f"{name}.0: built-in Exited (rc={code}) {time.monotonic() - started:.1f}s"
            )
        return code

    def _rc_command(self, name: str) -> str | None:
        """Return what rc1 or rc3 is; recovery mode leaves out what the site has for it."""
        path = self.attrs.get(f"broker.{name}_path")
        if path == BUILT_IN and not self._recovering:
            return command_of(name) or path
        return path

    async def _unload_modules(self) -> int:
        return await self.modules.unload_all(
            CONNECTOR, HURRIED_UNLOAD if self.emergency.begun else None
        )

    async def _quorum(self) -> None:
        if self.overlay is not None:
            self.overlay.set_ready()
        if self.rank == 0:
            self.state.add_online({0})
            if await self._quorum_wait.reached():
                self.runlevel.post("quorum-full")
            return
        try:
            await self.state.go_online()
        except OSError as exc:
            self.log.err(f"quorum: {exc.strerror}")
            self.runlevel.post("quorum-fail")
            return
        self.runlevel.post("quorum-full")

    def _membership_changed(self) -> None:
        self._quorum_wait.changed()

    async def _run(self) -> None:
        self.state.release()
        self._own.shells.warm_up()
        if self.rank or self.attrs.get("broker.rc2_none"):
            return
        if self._recovering and not self.options.command:
            sys.stderr.write(greeting(self.attrs))
        code = await self._scripts.initial(self.options.command)
        self.exit_code = code or self._rc1_code
        self.runlevel.post("rc2-fail" if code else "rc2-success")

    async def _cleanup(self) -> None:
        delay = HURRIED_KILL_DELAY if self.emergency.begun else KILL_DELAY
        await self._scripts.stop(delay / 2)
        code = await self._scripts.cleanup()
        self._commands.close()  # whatever comes now would not be run: who pushes it is told so
        self.exit_code = self.exit_code or code or 0
        results = [] if code is None else [code == 0]
        if self.rank == 0 and "job-manager" in self.modules:
            results.append(await self._end_jobs())
            results += await self._dump()
        word = "none" if not results else "success" if all(results) else "fail"
        self.runlevel.post(f"cleanup-{word}")

    async def _dump(self) -> list[bool]:
        """Write the key-value store to an archive, if it is to be kept; returns whether that
        succeeded.
        """
        code = None if self.emergency.begun else await self._archives.dump()
        self.exit_code = self.exit_code or code or 0
        return [] if code is None else [code == 0]

    async def _end_jobs(self) -> bool:
        """End the jobs of the instance; returns whether they did end."""
        patience = end_timeout(self.attrs, CLEANUP_TIMEOUT)
        try:
            if self._recovering:  # none was started, and those that wait are another's
                await start_no_more(self._handle)
            else:
                # Those that wait go on to wait where they will be found again.
                kept = jobs_outlive(self.attrs, self.attrs.get("rundir") or "")
                states = JobState.RUNNING if kept else JobState.ACTIVE
                await end_jobs(self._handle, patience, states)
        except TimeoutError:
            self.log.err(f"cleanup: jobs did not end within {patience:g}s, they are killed now")
        except OSError as exc:
            self.log.err(f"cleanup: {exc.strerror}")
        else:
            return True
        return False

    async def _shutdown(self) -> None:
        if self.rank == 0 and self.router.size > 1:
            await self._handle.publish("state-machine.shutdown")
        if not self.router.children:
            self.runlevel.post("children-none")
            return
        self._children_done.clear()  # some may have left, and come back
        for child in self.router.children if self.rank else ():
            # They know already if the whole instance ends, and not if only this broker does.
            self._handle.send("state-machine.shutdown", {}, nodeid=child)
        try:
            async with asyncio.timeout(end_timeout(self.attrs, SHUTDOWN_TIMEOUT)):
                await self._children_done.wait()
        except TimeoutError:
            self.log.err(
                f"shutdown: ranks {IDset(sorted(self.router.children))} did not finish in time"
            )
            self.runlevel.post("children-timeout")
            return
        self.runlevel.post("children-complete")

    async def _finalize(self) -> None:
        if not self.emergency.begun:
            await self._start_log.finished()
        code = await self._run_rc("rc3")
        if code:
            self.exit_code = self.exit_code or code
        self.runlevel.post("rc3-none" if code is None else "rc3-fail" if code else "rc3-success")

    async def _exit(self) -> None:
        if self._own.shutdown is not None and not self.emergency.begun:
            await self._own.shutdown.finish()
        await self._own.unmount(HURRIED_UNLOAD if self.emergency.begun else None)
        self._stopped.set()

    ACTIONS: ClassVar[Mapping[str, Callable[[Broker], Coroutine[object, object, None]]]] = {
        "join": _join,
        "init": _init,
        "quorum": _quorum,
        "run": _run,
        "cleanup": _cleanup,
        "shutdown": _shutdown,
        "finalize": _finalize,
        "exit": _exit,
    }
    """What is done in each state of `broker.runlevel`."""

    # Neighbours and signals

    def _child_left(self, rank: int, orderly: bool) -> None:
        ranks = set(self.topology.subtree(rank))
        if not orderly:
            below = f", and with it ranks {IDset(sorted(ranks - {rank}))}" if len(ranks) > 1 else ""
            self.log.err(f"rank {rank} was lost{below}")
        self.state.lose(ranks, orderly)
        if not self.router.children:
            self._children_done.set()

    def _parent_lost(self) -> None:
        self.log.err("lost the connection to the parent broker")
        if self.overlay is not None:
            self.overlay.dismiss_children()
        self._hurry()

    def _lifeline_cut(self) -> None:
        """``flux start`` has ended, or has lost rank 0: rank 0 ends the instance, the others wait a
        moment for that.
        """
        if self.rank == 0:
            self.log.err("flux start has ended, so the instance ends")
        self._hurry(0.0 if self.rank == 0 else FOLLOWERS_WAIT)

    def _hurry(self, delay: float = 0.0) -> None:
        """End within the deadline of an emergency; the present state ends after ``delay`` s."""
        self.exit_code = self.exit_code or 1
        self.emergency.begin()
        self._limit(self.runlevel.state, delay)

    def _limit(self, state: str, delay: float = 0.0) -> None:
        if state in STATE_LIMITS:
            event, limit = STATE_LIMITS[state]
            self._loop.call_later(limit + delay, self._end_state, state, event)

    def _end_state(self, state: str, event: str) -> None:
        if self.runlevel.state == state:
            if state != "run":  # the initial program is ended by the clean-up
                self._scripts.abandon()
            self.runlevel.post(event)

    def _reap_orphans(self) -> None:
        self._orphans.reap()
        self._loop.call_later(REAP_PERIOD, self._reap_orphans)

    def _handle_signals(self) -> None:
        self._loop.add_signal_handler(signal.SIGTERM, self._signalled, signal.SIGTERM)
        self._loop.add_signal_handler(signal.SIGHUP, self._signalled, signal.SIGHUP)
        if self.rank == 0:
            self._loop.add_signal_handler(signal.SIGINT, self._interrupted)
        else:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _interrupted(self) -> None:
        interactive = not self.options.command and sys.stdin.isatty()
        if not interactive or not self._scripts.running:
            self._signalled(signal.SIGINT)

    def _signalled(self, signum: int) -> None:
        now = self._loop.time()
        last, self._last_signal = self._last_signal, (signum, now)
        if last[0] == signum and now - last[1] < REPEATED_SIGNAL:
            return
        self.log.info(f"signal {signum}")
        if self.exit_code == 0:
            self.exit_code = SIGNALED + signum
        self._scripts.signal(signum)
        self.runlevel.post("shutdown")
