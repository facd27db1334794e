"""What the flux launcher of radical.pilot calls: module, service and helper of radical.utils."""

import os
import threading

import cases
from radical.utils import flux as ruf


def module():
    found = ruf.FluxModule()
    found.verify()
    assert found.core is not None
    assert found.job is not None
    assert found.exe
    assert found.version


def service():
    started = ruf.FluxService()
    started.start(timeout=60)
    try:
        assert started.ready(timeout=60)
        assert started.uri
    finally:
        started.stop()


def helper():
    helper = ruf.FluxHelper(uri=os.environ["FLUX_URI"])
    seen = {}
    ended = threading.Event()

    def note(tid, event):
        seen.setdefault(tid, []).append(event.name)
        if len([names for names in seen.values() if "finish" in names]) == 2:
            ended.set()

    helper.register_cb(note)
    helper.start()
    try:
        specs = [ruf.spec_from_command(cmd="echo one"), ruf.spec_from_command(cmd="echo two")]
        ids = helper.submit(specs)
        assert len(set(ids)) == 2
        assert ended.wait(60), seen
        helper.wait(ids)
        assert {"alloc", "start", "finish"} <= set(seen[ids[0]]), seen
    finally:
        helper.stop()


def cancel():
    helper = ruf.FluxHelper(uri=os.environ["FLUX_URI"])
    seen = []
    ended = threading.Event()
    running = threading.Event()

    def note(_tid, event):
        seen.append(event.name)
        if event.name == "start":
            running.set()
        if event.name in ("finish", "exception"):
            ended.set()

    helper.register_cb(note)
    helper.start()
    try:
        ids = helper.submit([ruf.spec_from_dict({"executable": "sleep", "arguments": ["600"]})])
        assert running.wait(60), seen
        helper.cancel(ids)
        assert ended.wait(60), seen
    finally:
        helper.stop()


if __name__ == "__main__":
    cases.run(module, service, helper, cancel)
