"""PMI-1 (RFC 13) as a process uses it: on the descriptor named by ``PMI_FD``, or on a connection
to ``PMI_PORT`` (``mpirun -pmi-port``).
"""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

from broker.pmi import LINE_MAX, VALUE_MAX, decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECT_TIMEOUT = 30.0
DIGITS = 10
"""Of a number that can be a rank, a size or a length."""


class PmiClient:
    """Blocking PMI-1 client of one process.

    Every method raises OSError: EPROTO when the answer is not the one expected, EIO when the
    manager refuses or is gone.
    """

    def __init__(self, fd: int, rank: int = -1, size: int = -1, identity: str = "") -> None:
        """Use the descriptor ``fd`` as process ``rank`` of ``size``, and agree on the version.

        With ``identity``, by which the manager knows this process, it tells rank and size.
        """
        self.fd, self.rank, self.size = fd, rank, size
        self._buffer = b""
        self.kvsname = ""
        if identity:
            self._introduce(identity)
        self._call("response_to_init", cmd="init", pmi_version=1, pmi_subversion=1)
        maxes = self._call("maxes", cmd="get_maxes")
        self._longest = _number(maxes.get("vallen_max"), VALUE_MAX)
        self.kvsname = self._call("my_kvsname", cmd="get_my_kvsname")["kvsname"]

    def _introduce(self, identity: str) -> None:
        fields = self._call("initack", cmd="initack", pmiid=identity)
        while "debug" not in fields:  # it comes last
            fields = self._answer("set")
            self.size = _number(fields.get("size"), self.size)
            self.rank = _number(fields.get("rank"), self.rank, least=0)
        if not 0 <= self.rank < self.size:
            raise OSError(errno.EPROTO, "PMI: the process manager told no rank and size")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> PmiClient | None:
        """Return a client for PMI_FD, PMI_RANK and PMI_SIZE, or for PMI_PORT and PMI_ID, or None
        when there is no PMI in this environment.
        """
        env = os.environ if environ is None else environ
        if "PMI_FD" not in env and "PMI_PORT" in env and "PMI_ID" in env:
            return cls._connected(env["PMI_PORT"], env["PMI_ID"])
        try:
            fd, rank, size = (int(env[name]) for name in ("PMI_FD", "PMI_RANK", "PMI_SIZE"))
            os.fstat(fd)
        except (KeyError, ValueError, OSError):
            return None
        return cls(fd, rank, size)

    @classmethod
    def _connected(cls, place: str, identity: str) -> PmiClient:
        """Return a client of the manager at ``HOST:PORT``, which tells process ``identity`` its
        rank and the size.
        """
        host, _, port = place.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), CONNECT_TIMEOUT) as connection:
                connection.settimeout(None)
                fd = connection.detach()
        except (OSError, ValueError) as exc:
            raise OSError(errno.EIO, f"PMI: cannot connect to PMI_PORT {place}: {exc}") from None
        try:
            return cls(fd, identity=identity)
        except BaseException:
            os.close(fd)
            raise

    def put(self, key: str, value: str) -> None:
        """Store a pair, visible to the others after a barrier; raises OSError(EMSGSIZE) for a value
        that the manager does not take.
        """
        if len(value.encode()) >= self._longest:
            text = f"PMI: a value of {len(value)} characters, of at most {self._longest - 1}"
            raise OSError(errno.EMSGSIZE, text)
        self._call("put_result", cmd="put", kvsname=self.kvsname, key=key, value=value)

    def get(self, key: str) -> str:
        """Return the value of ``key``; raises OSError(ENOENT) if there is none."""
        try:
            return self._call("get_result", cmd="get", kvsname=self.kvsname, key=key).get(
                "value", ""
            )
        except OSError as error:
            if error.errno == errno.EIO:
                raise OSError(errno.ENOENT, f"PMI: no such key: {key}") from error
            raise

    def barrier(self) -> None:
        """Wait until every process of the group is here."""
        self._call("barrier_out", cmd="barrier_in")

    def universe_size(self) -> int:
        """Return the greatest number of processes the group may grow to."""
        return int(self._call("universe_size", cmd="get_universe_size")["size"])

    def appnum(self) -> int:
        """Return the application number."""
        return int(self._call("appnum", cmd="get_appnum")["appnum"])

    def finalize(self) -> None:
        """End the use of PMI and close the descriptor."""
        self._call("finalize_ack", cmd="finalize")
        self.close()

    def abort(self, exitcode: int, message: str) -> None:
        """Ask the manager to end the whole group."""
        self._write(encode(cmd="abort", exitcode=exitcode, error_msg=message))

    def close(self) -> None:
        """Close the descriptor without telling the manager."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _write(self, line: bytes) -> None:
        view = memoryview(line)
        while view:
            view = view[os.write(self.fd, view) :]

    def _call(self, expect: str, **request: object) -> dict[str, str]:
        self._write(encode(**request))
        return self._answer(expect, str(request["cmd"]))

    def _answer(self, expect: str, asked: str = "initack") -> dict[str, str]:
        """Return the next line, whose ``cmd`` has to be ``expect``."""
        while b"\n" not in self._buffer:
            data = os.read(self.fd, LINE_MAX)
            if not data:
                raise OSError(errno.EIO, "PMI: the process manager closed the connection")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            fields = decode(line.decode())
        except ValueError as error:
            raise OSError(errno.EPROTO, f"PMI: {error}") from error
        if fields.get("cmd") != expect:
            raise OSError(errno.EPROTO, f"PMI: expected {expect}, got {line[:64]!r}")
        if fields.get("rc", "0") != "0":
            raise OSError(
                errno.EIO,
                f"PMI: {asked} failed: {fields.get('msg', 'rc=' + fields['rc'])}",
            )
        return fields


def _number(text: str | None, default: int, least: int = 1) -> int:
    """Return a number of the manager's, ``default`` if it gives none or one below ``least``."""
    if not text or not text.isascii() or not text.isdecimal() or len(text) > DIGITS:
        return default
    return int(text) if int(text) >= least else default
