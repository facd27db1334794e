"""The shell host: a small process with the shell already imported, which forks a process for each job shell.

The broker talks to it on a SEQPACKET socket. Each packet is a job id in decimal with one descriptor attached, the shell's end
of its socket to the broker; ``kill <jobid>`` kills a shell with everything it started. What comes back is one packet per shell that
ended without saying so: ``<jobid> <pid> <wait status>``. When the socket closes, the host kills what is left and exits.

A forked process runs one job at a time. One whose job left nothing behind waits for another for a while, since a warm process
starts a job in a third of the time of a fork; all others exit with their job.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys

from broker.subprocess.launch import kill_descendants

PACKET = 256
JOBS_PER_WORKER = 500
IDLE_WORKERS = 2 + 2 * (os.cpu_count() or 1)
IDLE_MILLISECONDS = 10_000


class Worker:
    """A forked process: its pid, our end of its socket and the job it runs, "" while it waits."""

    def __init__(self, pid: int, sock: socket.socket, job: str) -> None:
        self.pid = pid
        self.sock = sock
        self.job = job


class Host:
    """Gives jobs to workers, forks and reaps them."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._workers: dict[int, Worker] = {}
        self._by_fd: dict[int, Worker] = {}
        self._idle: list[Worker] = []
        self._poll = select.poll()
        self._wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> None:
        """Serve requests until the broker closes the control socket."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakeup[1], warn_on_full_buffer=False)
        self._poll.register(self._control, select.POLLIN)
        self._poll.register(self._wakeup[0], select.POLLIN)
        while True:
            ready = self._poll.poll(IDLE_MILLISECONDS if self._idle else None)
            if not ready:
                for worker in tuple(self._idle):
                    self._drop(worker)
            for fd, _ in ready:
                if fd == self._wakeup[0]:
                    os.read(fd, 4096)
                    self._reap()
                elif fd == self._control.fileno():
                    if not self._request():
                        return
                elif fd in self._by_fd:
                    self._heard(self._by_fd[fd])

    def _request(self) -> bool:
        packet, fds, _, _ = socket.recv_fds(self._control, PACKET, 1)
        if not packet:
            return False
        word = packet.decode()
        if word.startswith("kill "):
            self._kill(word[5:])
            return True
        fd = fds[0]
        worker = self._idle.pop() if self._idle else None
        if worker is None or not self._hand_over(worker, word, fd):
            self._fork(word, fd)
        os.close(fd)
        return True

    def _hand_over(self, worker: Worker, job: str, fd: int) -> bool:
        try:
            socket.send_fds(worker.sock, [b"job"], [fd])
        except OSError:
            return False
        worker.job = job
        return True

    def _fork(self, job: str, fd: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._become_worker(fd, theirs)
        theirs.close()
        worker = Worker(pid, ours, job)
        self._workers[pid] = worker
        self._by_fd[ours.fileno()] = worker
        self._poll.register(ours, select.POLLIN)

    def _become_worker(self, fd: int, theirs: socket.socket) -> None:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for inherited in (*self._wakeup, *self._by_fd):
                os.close(inherited)
            self._control.close()
            os.setsid()
            code = work(fd, theirs)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)

    def _heard(self, worker: Worker) -> None:
        """A worker is free for another job, or is ending."""
        try:
            free = bool(worker.sock.recv(PACKET))
        except OSError:
            free = False
        if free:
            worker.job = ""
        if free and len(self._idle) < IDLE_WORKERS:
            self._idle.append(worker)
        else:
            self._drop(worker)

    def _drop(self, worker: Worker) -> None:
        """Close a worker's socket, at which it exits when it is idle."""
        if self._by_fd.pop(worker.sock.fileno(), None) is None:
            return
        self._poll.unregister(worker.sock)
        worker.sock.close()
        if worker in self._idle:
            self._idle.remove(worker)

    def _kill(self, job: str) -> None:
        """Kill the shells of `job` and all they started."""
        for worker in self._workers.values():
            if worker.job == job:
                kill_descendants(worker.pid)

    def _reap(self) -> None:
        while self._workers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            worker = self._workers.pop(pid, None)
            if worker is None:
                continue
            self._drop(worker)
            if worker.job and os.WIFSIGNALED(status):
                kill_descendants(pid)
                self._control.send(f"{worker.job} {pid} {status}".encode())

    def shutdown(self) -> None:
        """Kill every worker with its tasks."""
        for pid in self._workers:
            kill_descendants(pid)


def work(fd: int, host: socket.socket) -> int:
    """Run the job on `fd`, then others that come on the socket `host`; return the exit code of the last."""
    from broker.shell.main import run_job

    home = os.getcwd()
    for _ in range(JOBS_PER_WORKER):
        code, clean = run_job(fd)
        os.close(fd)
        if not clean:
            return code
        os.chdir(home)
        gc.enable()
        try:
            host.send(b"idle")
            packet, fds, _, _ = socket.recv_fds(host, PACKET, 1)
        except OSError:
            return code
        if not packet:
            return code
        fd = fds[0]
    host.close()
    code, _ = run_job(fd)
    return code


def main(fd: int) -> None:
    """Serve on the inherited control socket `fd`; does not return."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    import broker.shell.main  # noqa: F401  imported before the forks
    from broker.shell.plugins import affinity

    affinity.cpus_of_cores()
    os.chdir("/")
    gc.collect()
    gc.freeze()
    gc.disable()
    host = Host(socket.socket(fileno=fd))
    try:
        host.serve()
    finally:
        host.shutdown()
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
