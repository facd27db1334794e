"""Requests of 0.29 in the form that today's flux-core knows them by: asked for when a broker does
not know the older form.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from flux.wire.errors import may_be_unknown
from flux.wire.message import NODEID_ANY, todays_publish_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.handle import Flux
    from flux.rpc import RPC
    from flux.wire.json import JsonObject

    Ask = Callable[[str, JsonObject | None], JsonObject]
    Form = Callable[[Ask, JsonObject], JsonObject]


def again(h: Flux, topic: str, payload: JsonObject, nodeid: int, refusal: OSError) -> JsonObject:
    """Ask in today's form what a broker has refused as unknown, and return the answer as 0.29 gives
    it; raises ``refusal`` if there is no such form, or OSError.
    """
    service, _, method = topic.partition(".")
    form = FORMS.get(topic) or METHODS.get(method)
    if not may_be_unknown(refusal.errno) or form is None:
        raise refusal

    def ask(name: str, body: JsonObject | None) -> JsonObject:
        found: JsonObject = h.rpc(name.replace("SERVICE", service), body, nodeid=nodeid).get()
        return found

    try:
        return form(ask, payload)
    except OSError:
        if refusal.errno == errno.EPERM:  # it is known, and not for this user
            raise refusal from None
        raise


def _listed(ask: Ask, _: JsonObject) -> JsonObject:
    mods = ask("module.list", None)["mods"]
    return {"mods": [{"size": 0, "digest": "", **mod} for mod in mods]}


def _load(ask: Ask, payload: JsonObject) -> JsonObject:
    return ask("module.load", {**payload, "exec": False})


def _remove(ask: Ask, payload: JsonObject) -> JsonObject:
    return ask("module.remove", {**payload, "cancel": False})


def _stats(ask: Ask, _: JsonObject) -> JsonObject:
    return ask("SERVICE.stats-get", {})


def _clear(ask: Ask, _: JsonObject) -> JsonObject:
    return ask("SERVICE.stats-clear", {})


def _submission(ask: Ask, payload: JsonObject) -> JsonObject:
    if not payload["query_only"]:
        asked = {"enable": payload["enable"], "all": False}
        ask("job-manager.queue-enable", asked | _reason(payload, payload["enable"]))
    status = ask("job-manager.queue-status", {})
    return {"enable": status["enable"], "reason": status.get("disable_reason", "")}


def _scheduling(ask: Ask, payload: JsonObject) -> JsonObject:
    if not payload["query_only"]:
        lasting = not payload.get("nocheckpoint", False)
        asked = {"start": payload["enable"], "all": False, "nocheckpoint": not lasting}
        ask("job-manager.queue-start", asked | _reason(payload, payload["enable"]))
    status = ask("job-manager.queue-status", {})
    counts = ask("job-manager.alloc-query", None)
    reason = status.get("stop_reason", "")
    return {"free_pending": 0, **counts, "enable": status["start"], "reason": reason}


def _published(ask: Ask, payload: JsonObject) -> JsonObject:
    return ask("event.publish", todays_publish_request(payload))


def _ended(ask: Ask, _: JsonObject) -> JsonObject:
    return ask("shutdown.start", {"loglevel": 0})


def _reason(payload: JsonObject, on: bool) -> JsonObject:
    """Return the reason of a request, which one that turns a switch off cannot do without."""
    return {} if on else {"reason": payload["reason"] or "disabled by administrator"}


FORMS: dict[str, Form] = {
    "broker.lsmod": _listed,
    "broker.insmod": _load,
    "broker.rmmod": _remove,
    "event.pub": _published,
    "job-manager.submit-admin": _submission,
    "job-manager.alloc-admin": _scheduling,
    "state-machine.shutdown": _ended,
}
METHODS: dict[str, Form] = {"stats.get": _stats, "stats.clear": _clear}


def answer(rpc: RPC, h: Flux, topic: str, payload: JsonObject, nodeid: int) -> JsonObject:
    """Return the answer to a request of 0.29 that was sent, or to its form of today; raises
    OSError.
    """
    try:
        found: JsonObject = rpc.get()
    except OSError as exc:
        return again(h, topic, payload, nodeid, exc)
    return found


def ask(
    h: Flux, topic: str, payload: JsonObject | None = None, nodeid: int = NODEID_ANY
) -> JsonObject:
    """Return the answer to a request of 0.29, asked for in either form; raises OSError."""
    return answer(h.rpc(topic, payload, nodeid=nodeid), h, topic, payload or {}, nodeid)
