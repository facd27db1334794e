"""How jobs are run: the options of the module ``job-exec`` and the table ``[exec]``."""

from __future__ import annotations

import errno
import math
import os
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from broker.services.job_exec.state import KILL_TIMEOUT
from flux.duration import parse_fsd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broker.configuration.tables import ExecConfig
    from flux.wire.json import JsonObject

BUILTIN: Final = os.path.join(os.path.dirname(__file__), "..", "..", "shell", "main.py")
"""The job shell of jobs that nothing is said of."""


class ExecOptions(Struct, frozen=True):
    """``kill_timeout`` is in seconds; ``job_shell`` is the program that jobs without one of their
    own are run by, "" for the one that is part of the broker; ``imp`` is what flux-core starts
    other users' jobs with, and nothing here. None is for what nobody has said.
    """

    kill_timeout: float | None = None
    job_shell: str | None = None
    imp: str | None = None

    def over(self, config: ExecConfig) -> ExecOptions:
        """Return these options, and those of the configuration for what they say nothing of."""
        return ExecOptions(
            config.kill_timeout if self.kill_timeout is None else self.kill_timeout,
            config.job_shell if self.job_shell is None else self.job_shell,
            config.imp if self.imp is None else self.imp,
        )

    @property
    def seconds(self) -> float:
        """How long tasks have between SIGTERM and SIGKILL."""
        return KILL_TIMEOUT if self.kill_timeout is None else self.kill_timeout

    def told(self) -> Iterator[str]:
        """Yield what the log says of them."""
        if self.kill_timeout is not None:
            yield f"using kill-timeout of {self.kill_timeout:.6g}s"
        yield f"using default shell path {self.job_shell or os.path.normpath(BUILTIN)}"
        if self.imp:
            yield f"using imp path {self.imp}"


def parse_args(args: list[str]) -> ExecOptions:
    """Return the options that the arguments of the module say; raises OSError(EINVAL) for one that
    there is not, or that has a wrong value.
    """
    timeout: float | None = None
    texts: dict[str, str] = {}
    for arg in args:
        key, _, value = arg.partition("=")
        if key == "kill-timeout":
            timeout = _duration(value)
        elif key in ("job-shell", "imp"):
            if not value:
                raise OSError(errno.EINVAL, f"invalid {key}: it is a path")
            texts[key] = value
        else:
            raise OSError(errno.EINVAL, f"unknown argument {arg}")
    return ExecOptions(timeout, texts.get("job-shell"), texts.get("imp"))


def _duration(value: str) -> float:
    try:
        seconds = parse_fsd(value)
    except ValueError:
        seconds = math.inf
    if math.isinf(seconds):
        reason = os.strerror(errno.EINVAL)
        raise OSError(errno.EINVAL, f"invalid kill-timeout: {value}: {reason}")
    return seconds


def with_job_shell(jobspec: JsonObject, path: str | None) -> JsonObject:
    """Return a jobspec that names the job shell ``path`` if it names none itself."""
    if not path:
        return jobspec
    attributes = jobspec.get("attributes", {})
    system = attributes.get("system", {})
    execution = system.get("exec")
    execution = execution if isinstance(execution, dict) else {}
    if execution.get("job_shell"):
        return jobspec
    system = {**system, "exec": {**execution, "job_shell": path}}
    return {**jobspec, "attributes": {**attributes, "system": system}}
