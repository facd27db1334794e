"""Where a job's tasks run: the working directory and the job's temporary directory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from broker.shell.levels import ERROR, ShellFatal
from flux.job.JobID import f58_in

if TYPE_CHECKING:
    from broker.shell.context import ShellContext


def enter_directory(shell: ShellContext) -> None:
    """Change to the directory the job asked for; if it does not exist, say so and run in /tmp."""
    cwd = shell.info.system.get("cwd")
    if not cwd:
        return
    shell.directory = cwd
    try:
        os.chdir(cwd)
    except OSError as error:
        text = f"Could not change dir to {cwd}: {error.strerror}. Going to /tmp instead"
        if not shell.standalone:
            shell.log_stderr(text + "\n")
        shell.log(ERROR, text)
        shell.directory = "/tmp"
        os.chdir(shell.directory)


def make_tmpdir(shell: ShellContext) -> str:
    """Create the directory of FLUX_JOB_TMPDIR and return its path; the name holds the job id, so
    that it tells whose it is.

    Raises ShellFatal if it cannot be created.
    """
    base = shell.rundir or os.environ.get("TMPDIR", "/tmp")
    name = f"jobtmp-{shell.rank}-{f58_in(shell.info.id, shell.env)}"
    try:
        if shell.standalone:
            import tempfile

            return tempfile.mkdtemp(prefix=name + "-", dir=base)
        path = os.path.join(base, name)
        shell.directories.make(path)
    except OSError as error:
        raise ShellFatal(f"mkdir {os.path.join(base, name)}: {error.strerror}") from error
    return path


def set_tmpdir(shell: ShellContext) -> None:
    """Have TMPDIR of the tasks name a directory that exists: the job's own if the job says nothing
    of it, otherwise the one that it names, which is made if only the last part is missing.

    Raises ShellFatal if it cannot be made.
    """
    path = shell.env.setdefault("TMPDIR", shell.tmpdir)
    if os.path.isdir(path):
        return
    try:
        os.mkdir(path, 0o700)
    except OSError as error:
        text = f"error creating TMPDIR: {path}: {error.strerror}"
        raise ShellFatal(text, component="tmpdir") from error
