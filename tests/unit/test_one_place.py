"""Each fact of the protocol stands in one place: its numbers, keys, texts and encodings are not
written again elsewhere.

A fact is a pattern in code (comments and docstrings apart) and the files that may hold it.
"""

from __future__ import annotations

import errno
import io
import os
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
PACKAGES = ("flux", "fluxctl", "tui", "broker")


def repeats_system_text(code: str) -> bool:
    """Whether some OSError is given just the system's words for its number."""
    for name, words in re.findall(r"OSError\(\s*errno\.(\w+),\s*(os\.strerror|\"[^\"]*\")", code):
        if words == "os.strerror" or words.strip('"') == os.strerror(getattr(errno, name)):
            return True
    return False


@dataclass(frozen=True)
class Fact:
    """One fact: ``pattern`` or ``found`` recognises it, ``homes`` may hold it, for the reason
    beside them.
    """

    name: str
    homes: tuple[str, ...]
    pattern: str = ""
    found: Callable[[str], bool] | None = None

    def repeated_in(self, code: str) -> bool:
        """Whether ``code`` holds the fact."""
        return self.found(code) if self.found else re.search(self.pattern, code) is not None


FACTS = (
    Fact(
        "numbers of job states and results",
        (
            "flux/constants.py",
            "tui/model/states.py",  # rows of the dashboard number states and results in one
        ),
        r"(\b|STATE_|RESULT_)(DEPEND|SCHED|CLEANUP|INACTIVE|COMPLETED|CANCELED)\b"
        r"[^=\n\]]{0,12}= *\d|\"states?\": *\d",
    ),
    Fact(
        "signals to a child of the event loop",
        ("flux/connect/ssh.py",),  # a process that is waited for where it is killed
        r"\.send_signal\(|\bprocess\.(kill|terminate)\(\)",
    ),
    Fact("names of job states", ("flux/job/state_names.py",), r"\"(DEPEND|CLEANUP|INACTIVE)\""),
    Fact(
        "urgencies and priorities",
        ("flux/constants.py",),
        r"(URGENCY|PRIORITY)_(MIN|MAX|HOLD|EXPEDITE|DEFAULT)\b[^=\n]{0,9}= *[\d(]",
    ),
    Fact(
        "what an event does to a job's state",
        ("flux/job/lifecycle.py",),
        r"\"flux-restart\": *[{_]",
    ),
    Fact(
        "unknown user, any node",
        (
            "flux/wire/message.py",
            "flux/constants.py",  # all roles; the highest priority
            "flux/job/mnemonic.py",  # 32 bits of an id
            "flux/resource/topology.py",  # 32 bits of a mask
            "broker/slurm/constants.py",  # what is unset and unlimited in Slurm
        ),
        r"0[xX][fF]{8}\b|0[xX][fF]{7}[eE]\b|\b4294967295\b",
    ),
    Fact(
        "flags of the KVS",
        ("flux/kvs_flags.py",),
        r"\b(READDIR|READLINK|WAITCREATE|WATCH_UNIQ|NO_MERGE|_?APPEND)\b[^=\n]{0,9}= *\d",
    ),
    Fact("the primary namespace", ("flux/kvs_flags.py",), r"\"primary\""),
    Fact(
        "operations of a KVS transaction",
        ("flux/kvs_txn.py", "broker/services/kvs/ops.py"),  # one makes them, one reads them
        r"\"dirent\"",
    ),
    Fact(
        "tree objects",
        (
            "flux/treeobj.py",
            "flux/dirblob.py",  # puts the texts of entries together, for speed
        ),
        r"\"ver\": *(1|VERSION)",
    ),
    Fact("the KVS key of a job", ("flux/job/JobID.py",), r"\"job\.\"|f\"job\.\{"),
    Fact(
        "base64",
        (
            "flux/b64.py",
            "flux/security.py",  # signatures are bytes, not text in JSON
        ),
        r"\bimport base64|from base64|from binascii|import binascii",
    ),
    Fact(
        "encodings of task I/O, and of files in a jobspec",
        ("flux/job/io.py", "flux/filearchive/objects.py"),
        r"\"base64\"",
    ),
    Fact("prefixes of the shell's log", ("flux/job/io.py",), r"\"FATAL: \""),
    Fact(
        "eventlogs of a job",
        ("flux/job/follow.py",),
        r"(?<!e\.g\. )\"guest\.(exec\.eventlog|output)\"",
    ),
    Fact(
        "wait statuses",
        ("flux/waitstatus.py",),
        r"\b0x7[fF]\b|& *127\b|WTERMSIG|WEXITSTATUS|WIFSIGNALED|waitstatus_to_exitcode"
        r"|\b128 *[+-]|\w [+-] 128\b",
    ),
    Fact(
        "exit codes of shells",
        (
            "flux/waitstatus.py",
            "broker/configuration/tables.py",  # how many keep-alives the kernel may send
            "tui/pictures/stage.py",  # a colour
        ),
        r"(?<![.\d])(126|127|130|141)\b(?!\.)",
    ),
    Fact(
        "services that subscribe",
        (
            "flux/wire/topic.py",
            "broker/services/connector_local/client.py",  # answers them
        ),
        r"\"(local\.(un)?sub|event\.(un)?subscribe)\"",
    ),
    Fact("numbers of errors", (), r"OSError\(\d|errnum=\d|errno *[!=]= *\d|errno in \(\d"),
    Fact("the system's words for errors", (), found=repeats_system_text),
)


def code_of(text: str) -> str:
    """Return source text with its comments and docstrings blanked out."""
    lines = text.splitlines(keepends=True)
    statement = True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and statement):
            for row in range(token.start[0] - 1, token.end[0]):
                first = token.start[1] if row == token.start[0] - 1 else 0
                last = token.end[1] if row == token.end[0] - 1 else len(lines[row])
                lines[row] = lines[row][:first] + lines[row][last:]
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            statement = token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    return "".join(lines)


def sources() -> Iterator[tuple[str, str]]:
    """Yield the name and the code of every file of the product."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), code_of(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def code() -> dict[str, str]:
    """The code of all files by name."""
    return dict(sources())


@pytest.mark.parametrize("fact", FACTS, ids=[fact.name for fact in FACTS])
def test_a_fact_stands_once(fact: Fact, code: dict[str, str]) -> None:
    holding = {name for name, text in code.items() if fact.repeated_in(text)}
    assert set(fact.homes) <= holding, f"the pattern for {fact.name} finds it no more"
    elsewhere = holding - set(fact.homes)
    assert elsewhere == set(), f"{fact.name}: use {', '.join(fact.homes) or 'names'} instead"


def test_comments_and_docstrings_do_not_count() -> None:
    text = '''"""Docs "dirent"."""
x = 1  # "dirent"
def f():
    """Of
    "dirent"."""
    return "kept"
'''
    assert '"dirent"' not in code_of(text)
    assert '"kept"' in code_of(text)
    assert "x = 1" in code_of(text)
