"""Slurm's ways of writing things as Flux has them, and back: dependencies, features and hosts,
GPUs, names of output files. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from broker.slurm.errors import NUMBERS, slurm_strerror
from flux.constraint.match import check_constraint, check_property
from flux.constraint.parser import parse_constraint
from flux.hostlist import Hostlist
from flux.job.JobID import id_parse

if TYPE_CHECKING:
    from flux.wire.json import JsonObject

SCHEMES: Final = ("after", "afterany", "afterok", "afternotok")
SINGLETON: Final = "singleton"
BEGIN_TIME: Final = "begin-time"
_GPU: Final = re.compile(r"(?:gres[:/])?gpu(?:[:/](?P<type>[^:=,]+?))?(?:[:=](?P<count>\d+))?")
_DEPENDENCY: Final = re.compile(r"(?P<scheme>[a-z]+)(?::(?P<ids>\w+(?::\w+)*))?")
_OUTPUT: Final = (("%j", "{{id}}"), ("%A", "{{id}}"), ("%t", "{{taskid}}"), ("%x", "{{name}}"))


def refusal(name: str, why: str = "") -> OSError:
    """Return the refusal with the error ``name`` of Slurm, and what is wrong."""
    text = slurm_strerror(NUMBERS[name])
    return OSError(NUMBERS[name], f"{text}: {why}" if why else text)


# Dependencies


def dependency_text(dependencies: object) -> str | None:
    """Return the dependencies of a jobspec as ``sbatch --dependency`` has them, without the time to
    begin; None if there are none.
    """
    parts = []
    for item in dependencies if isinstance(dependencies, list) else []:
        scheme, value = item.get("scheme"), item.get("value", "")
        if scheme == SINGLETON:
            parts.append(SINGLETON)
        elif scheme in SCHEMES:
            parts.append(f"{scheme}:{_decimal(value)}")
        elif scheme != BEGIN_TIME:
            parts.append(f"{scheme}:{value}")
    return ",".join(parts) or None


def _decimal(value: object) -> str:
    try:
        return str(id_parse(str(value)))
    except ValueError:
        return str(value)


def dependencies_of(text: str | None) -> list[JsonObject]:
    """Return what a text of ``sbatch --dependency`` says.

    Raises OSError(ESLURM_DEPENDENCY) for what has no counterpart: alternatives (``?``), delays,
    ``aftercorr`` and ``expand``.
    """
    found: list[JsonObject] = []
    for part in (text or "").split(",") if text else []:
        match = _DEPENDENCY.fullmatch(part.strip())
        scheme = match["scheme"] if match is not None else ""
        ids = match["ids"] if match is not None else None
        if scheme == SINGLETON and ids is None:
            found.append({"scheme": SINGLETON, "value": ""})
        elif scheme in SCHEMES and ids is not None:
            found += [{"scheme": scheme, "value": _job_id(jobid, part)} for jobid in ids.split(":")]
        else:
            raise refusal("ESLURM_DEPENDENCY", part)
    return found


def _job_id(text: str, part: str) -> str:
    try:
        return str(id_parse(text))
    except ValueError:
        raise refusal("ESLURM_DEPENDENCY", part) from None


# Features and hosts


def features_text(constraint: object) -> str | None:
    """Return the properties that a constraint (RFC 31) asks for in the words of ``sbatch
    --constraint``; None if it asks for none.
    """
    return _features(constraint, inner=False) or None


def _features(constraint: object, *, inner: bool) -> str:
    parts: list[str] = []
    members = constraint if isinstance(constraint, dict) else {}
    for operator, values in members.items():
        if operator == "properties":
            parts += [str(value) for value in values]
        elif operator == "and":
            parts += [text for value in values if (text := _features(value, inner=True))]
        elif operator == "or":
            choices = [text for value in values if (text := _features(value, inner=True))]
            text = "|".join(choices)
            parts.append(f"({text})" if (inner or len(members) > 1) and text else text)
    return "&".join(part for part in parts if part)


def hosts_text(constraint: object, *, excluded: bool = False) -> str | None:
    """Return the hosts that a constraint demands, or those it excludes, as a hostlist; None if it
    names none.
    """
    for operator, values in constraint.items() if isinstance(constraint, dict) else []:
        if operator == "hostlist" and not excluded:
            return ",".join(str(value) for value in values)
        if operator == "not" and excluded:
            found = [hosts_text(value) for value in values]
            return next((text for text in found if text), None)
        if operator == "and":
            found = [hosts_text(value, excluded=excluded) for value in values]
            if any(found):
                return next(text for text in found if text)
    return None


def constraint_of(features: str | None, hosts: str | None, excluded: str | None) -> JsonObject:
    """Return the constraint with these features and hosts, empty for none.

    Raises OSError(ESLURM_INVALID_FEATURE) for counts and alternatives of whole jobs (``a*2``,
    ``[a|b]``), which constraints cannot say, OSError(ESLURM_INVALID_NODE_NAME) for hosts that are
    no hostlist.
    """
    parts: list[JsonObject] = []
    if features:
        parts.append(_parsed(features))
    for text in (hosts, excluded):
        _check_hosts(text)
    if hosts:
        parts.append({"hostlist": [hosts]})
    if excluded:
        parts.append({"not": [{"hostlist": [excluded]}]})
    return {"and": parts} if len(parts) > 1 else (parts[0] if parts else {})


def _parsed(features: str) -> JsonObject:
    try:
        if set("[]*") & set(features):
            raise ValueError
        if not set("|&,()!^") & set(features):
            return {"properties": [check_property(features)]}
        plain = features.replace(",", "&")
        if not set("|()!") & set(plain):
            return {"properties": [_property(word) for word in plain.split("&")]}
        found = parse_constraint(plain.replace("!", "-"))
        check_constraint(found)
    except (ValueError, SyntaxError):
        raise refusal("ESLURM_INVALID_FEATURE", features) from None
    return found


def _property(word: str) -> str:
    check_property(word.removeprefix("^"))
    return word


def _check_hosts(text: str | None) -> None:
    try:
        Hostlist(text or "")
    except ValueError:
        raise refusal("ESLURM_INVALID_NODE_NAME", text or "") from None


# GPUs


def gpu_text(count: int) -> str | None:
    """Return a number of GPUs as Slurm 22.05 writes it, None for none."""
    return f"gres:gpu:{count}" if count else None


def gpus_in(text: str | None) -> tuple[int, bool]:
    """Return how many GPUs a text such as ``gpu:2`` or ``gres/gpu:v100=1,shard:2`` asks for, and
    whether that is all it says: no types, no other resources.
    """
    count, whole = 0, True
    for part in (text or "").split(",") if text else []:
        match = _GPU.fullmatch(part.strip())
        if match is None:
            whole = False
            continue
        kind, number = match["type"], match["count"]
        if number is None and kind is not None and kind.isdecimal():
            kind, number = None, kind
        count += int(number or 1)
        whole = whole and kind is None
    return count, whole


# Names of output files


def output_text(template: str) -> str:
    """Return a template of the job shell as a name that sbatch would be given."""
    return template.replace("{{id}}", "%j").replace("{{taskid}}", "%t").replace("{{name}}", "%x")


def template_of(text: str) -> str:
    """Return a name with sbatch's ``%j``, ``%t`` and ``%x`` as a template of the job shell."""
    for theirs, ours in _OUTPUT:
        text = text.replace(theirs, ours)
    return text
