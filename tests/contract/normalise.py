"""Make two outputs comparable: replace what differs from run to run, keep everything else to the
byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.contract.recordings import Recording

# Applied in this order. A rule says what it hides; spaces before a right-aligned value go with it.
RULES: tuple[tuple[str, str], ...] = (
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z?", "ISOTIME"),
    (r"\b[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d \d{4}", "CTIME"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"\b1[678]\d{8}\.\d+\b", "EPOCH"),
    (r" *ƒ[1-9A-HJ-NP-Za-km-z]{7,}", " JOBID"),
    (r"(?<=-)\d{6,}\b", "NUMBER"),
    (r"\bjob(?:\.[0-9a-f]{4}){4}\b", "JOBKVS"),
    (r"\b[0-9a-f]{4}(?:\.[0-9a-f]{4}){3}\b", "DOTHEX"),
    (r"\b[a-z]+-[a-z]+-[a-z]+--[a-z]+-[a-z]+-[a-z]+\b", "JOBWORDS"),
    (r"\b0x[0-9a-f]{9,}\b", "HEXID"),
    (r"(?<![0-9a-f.-])\d{9,}(?![0-9a-f])", "NUMBER"),
    (r"\b\d{1,2}:\d\d:\d\d\b", "CLOCK"),
    (r" *\b\d+\.\d+(?:e-\d+)?m?s\b", " DURATION"),
    (r"time=\d+\.\d+ ms", "time=DURATION ms"),
    (r"\([0-9a-f]{8}(?:![0-9a-f]{8})*\)$", "(ROUTE)"),
    (r"\b\d+\.\d{3,}\b", "FRACTION"),
    (r"^seq=\d+$", "seq=N"),
    (r"\bpid[ =]+\d+", "pid PID"),
    (r'"pid":\d+', '"pid":PID'),
    (
        r'(?<=shell\.task-exit \{)"localid":\d+,"rank":\d+',
        '"localid":FIRST,"rank":FIRST',
    ),  # the task that ended first
    (r"/tmp/flux-\w{6}", "RUNDIR"),
    (
        r"^(?P<name>[\w-]+) +\d+ [0-9a-f]{7} +(?:\d+|idle)  (?P<state>[A-Z])",
        r"\g<name> SIZE DIGEST IDLE \g<state>",
    ),
    (r"^Module +Size Digest +Idle  S Service", "Module Size Digest Idle S Service"),
)
BLOBREF = (r"\b(?:sha1|sha256)-[0-9a-f]{40,64}\b", "BLOBREF")
# The recording machine's own talk: it had no ldconfig.
RECORDED_NOISE = "sh: 1: ldconfig: not found\n"
ENVIRONMENT = (r'"environment": ?\{[^{}]*\}', '"environment": {ENV}')

# Labels whose ids are arguments and whose digests are of known text: there the values themselves
# are the contract.
EXACT = frozenset({"job-id"})

# The outputs of several tasks, jobs or ranks arrive in any order: the same lines are what counts.
CONCURRENT = re.compile(
    r"--watch|--wait|--cc|:::|flux exec(?! -r \d+ )|mini run.* -n ?[2-9]|mini run.*-N"
    r"|flux job attach|&|flux module list|"
    r"flux jobs -\w*[aA]|flux jobs .*-f|flux job list|guest\.output"
)

# Following a job merges its eventlog, its execution's and its output as they arrive: three streams
# on one stderr.
MERGED = re.compile(r"flux mini run|flux job attach")


@dataclass(frozen=True)
class Place:
    """Where a command ran: what must be renamed to the recorded machine's names."""

    home: str = "/home/user"
    uri: str = "local:///run/flux/local"
    rundir: str = "/nonexistent"
    host: str = "vm"
    path: str = "/usr/local/bin:/usr/bin:/bin:/sbin"
    lua: tuple[str, str] = ("/usr/local/lib/lua/5.1/?.so", "/usr/local/share/lua/5.1/?.lua")
    tap: str = ""
    """The URI that stood in place of the other one, if clients were listened to."""

    def renamed(self, text: str) -> str:
        """`text` with this place's paths and host name replaced by neutral names."""
        if self.tap:
            text = text.replace(self.tap, "URI")
        for value, name in (
            (self.uri, "URI"),
            (self.rundir, "RUNDIR"),
            (self.home, "HOME"),
            (self.path, "PATH"),
            (self.path.removesuffix(":/sbin"), "PATH"),
            (self.lua[0], "LUA_CPATH"),
            (self.lua[1], "LUA_PATH"),
        ):
            text = text.replace(value, name)
        return re.sub(rf"(?<![\w.]){re.escape(self.host)}(?![\w.])", "HOST", text)


RECORDED = Place()


def normalised(text: str, place: Place, recording: Recording) -> str:
    """`text` printed at `place` by the command of `recording`, with all that may differ between two
    runs replaced.
    """
    if recording.label in EXACT:
        return text
    text = place.renamed(text.replace(RECORDED_NOISE, ""))
    if "--env" not in recording.line:
        text = re.sub(*ENVIRONMENT, text)
    if not recording.label.startswith("content-"):
        text = re.sub(*BLOBREF, text)
    for pattern, replacement in RULES:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text


def comparable(text: str, recording: Recording, stream: str = "stdout") -> list[str]:
    """The lines of a normalised text, sorted where the command's output has no order."""
    lines = text.splitlines(keepends=True)
    concurrent = CONCURRENT.search(recording.line) or (
        stream == "stderr" and MERGED.search(recording.line)
    )
    return sorted(lines) if concurrent else lines
