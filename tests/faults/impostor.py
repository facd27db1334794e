"""A real broker of rank 0 whose child we are: its process manager, and rank 1 with a key it
knows.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import zmq

from broker.bootstrap.pmi import card, card_key, exchange
from broker.overlay.keys import KeyPair
from broker.pmi import Exchange, PmiServer, Reply
from broker.pmi_client import PmiClient
from broker.topology import Topology
from flux.testing.instance import default_flux
from tests.faults.instances import MARK, marked, send, until
from tests.faults.line import Line

if TYPE_CHECKING:
    import pathlib
    from types import TracebackType

    from broker.bootstrap import Bootstrap

SIZE = 3


class _Manager(threading.Thread):
    """Serves PMI to ranks 0 and 1."""

    def __init__(self) -> None:
        super().__init__(name="pmi", daemon=True)
        self.server = PmiServer(SIZE, "faults", local_ranks=[0, 1])
        pairs = [socket.socketpair() for _ in range(2)]
        self.ours = [ours for ours, _ in pairs]
        self.theirs = [theirs for _, theirs in pairs]
        self._lock = threading.Lock()

    def run(self) -> None:
        threads = [threading.Thread(target=self._serve, args=(rank,)) for rank in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _serve(self, rank: int) -> None:
        while data := self.ours[rank].recv(4096):
            with self._lock:
                actions = self.server.feed(rank, data)
                if any(isinstance(action, Exchange) for action in actions):
                    actions += self.server.barrier_complete(
                        {card_key(2): card(KeyPair.generate().public, "-")}
                    )
                for action in actions:
                    if isinstance(action, Reply):
                        self.ours[action.rank].sendall(action.line)


class Impostor:
    """A broker (``uri``, ``broker``) and the means to connect to it as its child of rank 1.

    ``boot`` has its endpoint and public key as the bootstrap told them.
    """

    def __init__(self, base: pathlib.Path, prefer_tcp: bool = True) -> None:
        self.base = base
        self.mark = secrets.token_hex(8)
        self.keys = KeyPair.generate()
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.manager = _Manager()
        self.manager.start()
        self.log = base / "log"
        rundir = base / "run"
        rundir.mkdir(mode=0o700)
        self.uri = f"local://{rundir}/local-0"
        self.broker = self._spawn(rundir, prefer_tcp)
        self.boot = self._wire_up()

    def _spawn(self, rundir: pathlib.Path, prefer_tcp: bool) -> subprocess.Popen[bytes]:
        os.mkfifo(self.base / "end")
        settings = [f"rundir={rundir}", "broker.quorum=0", "overlay.timeout=30"]
        settings += ["tbon.prefertcp=1"] if prefer_tcp else []
        theirs = self.manager.theirs[0]
        environ = {
            name: value for name, value in os.environ.items() if not name.startswith("FLUX_")
        }
        environ |= {"PMI_FD": str(theirs.fileno()), "PMI_RANK": "0", "PMI_SIZE": str(SIZE)}
        environ |= {MARK: self.mark, "TMPDIR": str(self.base)}
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [
                    *(sys.executable, str(default_flux()), "broker"),
                    *(f"-S{setting}" for setting in settings),
                    *("sh", "-c", f"read line <{self.base}/end"),
                ],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def _wire_up(self) -> Bootstrap:
        client = PmiClient(self.manager.theirs[1].detach(), 1, SIZE)
        return exchange(client, Topology(1, SIZE, 2), self.keys.public, lambda: None)

    def up(self) -> bool:
        """Wait until the broker serves its local socket; returns whether it does."""
        return until(lambda: self.answers(2.0))

    def answers(self, seconds: float = 60.0) -> bool:
        """Tell whether the broker answers a ping."""
        try:
            with Line(self.uri) as line:
                return line.answer("broker.ping", {"seq": 1}, seconds=seconds).errnum == 0
        except OSError:
            return False

    def connect(
        self, identity: str, server_key: str | None = None, client: KeyPair | None = None
    ) -> zmq.Socket[bytes]:
        """Return a connection to the broker's endpoint for children.

        By default with the key of rank 1, which the broker knows, and the broker's own key.
        """
        assert self.boot.parent is not None
        endpoint, public = self.boot.parent
        keys = client or self.keys
        sock = self.context.socket(zmq.DEALER)
        sock.setsockopt(zmq.ROUTING_ID, identity.encode())
        sock.setsockopt(zmq.LINGER, 0)
        sock.curve_serverkey = (server_key or public).encode()
        sock.curve_publickey = keys.public.encode()
        sock.curve_secretkey = keys.secret.encode()
        sock.connect(endpoint)
        return sock

    def _kill(self) -> bool:
        """Kill what is there; tells whether there was nothing."""
        left = marked(self.mark)
        send(signal.SIGKILL, left)
        return not left

    def __enter__(self) -> Impostor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._kill()
        self.broker.wait()
        until(self._kill)
        self.context.destroy(linger=0)
        for sock in self.manager.ours:
            sock.shutdown(socket.SHUT_RDWR)
        self.manager.join(60)
        for sock in (*self.manager.ours, self.manager.theirs[0]):
            sock.close()
