"""A module for ``flux seg`` that tells of the jobs of Slurm, from the file that its plugin
jobcomp/filetxt writes a line to when a job has ended.

    JobCompType=jobcomp/filetxt          # in slurm.conf
    JobCompLoc=/var/log/slurm/jobcomp.log

    flux seg -s examples/seg/slurm_jobcomp.py -o path=/var/log/slurm/jobcomp.log -t TIMESTAMP

Such a line has all times of a job, so that all of its events come when it has ended. The file may
be rotated by renaming it, or emptied; the one that was renamed last, ``PATH.1``, is read first.
Times are those of the time zone of this program, as Slurm writes those of its own.
"""

from __future__ import annotations

import re
import time

from flux import seg

# The name of a job is what its user likes, even the rest of such a line: so the last match counts.
_LINE = re.compile(
    r"JobId=(?P<id>\S+) .* JobState=(?P<state>\S+) Partition=\S* TimeLimit=\S+"
    r" StartTime=(?P<start>\S+) EndTime=(?P<end>\S+) NodeList=(?P<nodes>\S*) NodeCnt=.*"
    r" SubmitTime=(?P<submit>\S+) .* ExitCode=(?P<code>\S+) ?"
)
_NO_NODES = ("", "(null)")


def seconds(text: str) -> int | None:
    """Return a time of the log in seconds since the epoch; None for one that is not known."""
    try:
        return int(time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S")))
    except (ValueError, OverflowError):
        return None


def code(text: str) -> int:
    """Return the exit code that a shell would give: of ``STATUS:SIGNAL``, 128 more than a
    signal.
    """
    status, _, number = text.partition(":")
    if number.isdecimal() and int(number):
        return 128 + int(number)
    return int(status) if status.isdecimal() else 0


def took(line: str) -> None:
    """Tell of a job that has ended: what happened to it at the timestamp or later."""
    found = _LINE.fullmatch(line)
    if found is None:
        seg.driver().report(f"no line of jobcomp/filetxt: {line[:200]}")
        return
    since = seg.get_timestamp()
    jobid, state, nodes = found["id"], found["state"], found["nodes"]
    submitted, began, ended = (seconds(found[name]) for name in ("submit", "start", "end"))
    if submitted is not None and submitted >= since:
        seg.pending(submitted, jobid)
    # A job that was cancelled while it was pending has a start, but no nodes.
    if began is not None and began >= since and nodes not in _NO_NODES:
        seg.active(began, jobid)
    if ended is None or ended < since:
        return
    if state == "COMPLETED":
        seg.done(ended, jobid, code(found["code"]))
    else:
        seg.failed(ended, jobid, code(found["code"]) or 1)


def activate() -> None:
    """Begin to follow the file."""
    path = seg.options().get("path")
    if not path:
        raise ValueError("which file? -o path=FILE says it")
    driver = seg.driver()
    driver.follow_file(path, took, earlier=[path + ".1"], on_end=driver.told_all)


# The driver ends the following of the file before the generator ends, so there is nothing to do.
seg_module = seg.Descriptor("slurm-jobcomp", activate, version="1.0")
