"""Calls that are written for flux-core 0.88 mean the same here: each function takes the parameters
of the one of that name there, by name and in their order. The names are facts recorded with
`inspect.signature`; what is not here at all is listed, with reasons, in docs/api.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pathlib
from typing import Final

import pytest

RECORDED: Final[dict[str, str]] = json.loads(
    (pathlib.Path(__file__).parent / "data" / "signatures.json").read_text("utf-8")
)
_OF_C: Final = "what it is made of there is an object of the C library"
_OF_THE_LIST: Final = "objects that `QueueList` makes"
_PAST: Final = "as in 0.29, whose argument stands there and takes the letter too"
OTHERWISE: Final = {
    "flux.core.handle.Flux": _OF_C,
    "flux.future.Future": _OF_C,
    "flux.hostlist.Hostlist": _OF_C,
    "flux.idset.IDset": _OF_C,
    "flux.job.event.JobEventWatchFuture": _OF_C,
    "flux.job.info.ExceptionInfo": "the third is positional, and its name is a builtin's",
    "flux.job.info.resulttostr": _PAST,
    "flux.job.info.statetostr": _PAST,
    "flux.job.info.statustostr": _PAST,
    "flux.job.submit.SubmitFuture": _OF_C,
    "flux.job.wait.JobResultFuture": _OF_C,
    "flux.job.wait.JobWaitFuture": _OF_C,
    "flux.kvs.KVSWatchFuture": _OF_C,
    "flux.kvs.put": "raw stands behind an argument of its own use there: name it",
    "flux.queue.QueueDefaults": _OF_THE_LIST,
    "flux.queue.QueueInfo": _OF_THE_LIST,
    "flux.queue.QueueLimits": _OF_THE_LIST,
    "flux.util.OutputFormat": "as in 0.29; the format comes first, too",
}
"""What is called otherwise here, with the reason."""


def found(name: str) -> object:
    """The object that a dotted name means."""
    words = name.split(".")
    for count in range(len(words) - 1, 0, -1):
        try:
            thing: object = importlib.import_module(".".join(words[:count]))
        except ModuleNotFoundError:
            continue
        for word in words[count:]:
            thing = getattr(thing, word)
        return thing
    raise AssertionError(name)


def problems(name: str, wanted: list[str]) -> list[str]:
    """What a call with the parameters ``wanted`` would be refused for, or mean otherwise."""
    parameters = list(inspect.signature(found(name)).parameters.values())  # type: ignore[arg-type]
    if parameters and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    kinds = {parameter.kind for parameter in parameters}
    names = [
        parameter.name
        for parameter in parameters
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    keywords = {parameter.name for parameter in parameters}
    wrong = []
    for place, word in enumerate(wanted):
        if word not in keywords and inspect.Parameter.VAR_KEYWORD not in kinds:
            wrong.append(f"no {word}")
        elif word in names and names.index(word) != place:
            wrong.append(f"{word} is not number {place}")
    needed = [one.name for one in parameters if one.default is one.empty and one.name not in wanted]
    variable = {one.name for one in parameters if one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL)}
    return wrong + [f"needs {word}" for word in needed if word not in variable]


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_takes_what_it_takes_there(name: str) -> None:
    wrong = problems(name, RECORDED[name].split())
    assert bool(wrong) == (name in OTHERWISE), wrong
