"""The queue before a slow reader."""

from __future__ import annotations

import errno
import os
import threading

import pytest

from flux.seg.errors import SegError, SegErrorType
from flux.seg.output import SegOutput
from tests.system.watching import PATIENCE, until


def test_a_reader_that_does_not_read_bounds_the_queue() -> None:
    source, sink = os.pipe()
    output = SegOutput(sink, lambda: None, backlog_max=100_000, queue_max=300_000)
    output.start()
    drained = threading.Event()
    sent = 0

    def fill() -> None:
        nonlocal sent
        while True:
            output.put(b"%08d\n" % sent)
            sent += 1

    with pytest.raises(SegError) as caught:
        fill()
    assert caught.value.type == SegErrorType.OUT_OF_MEMORY
    assert output.backlogged
    output.when_drained(drained.set)
    assert not drained.is_set()
    received = b""
    while len(received) < 9 * sent:
        received += os.read(source, 1 << 16)
    assert drained.wait(PATIENCE)
    assert received == b"".join(b"%08d\n" % number for number in range(sent))
    output.put(b"again\n")
    assert os.read(source, 100) == b"again\n"
    assert not output.backlogged
    assert output.close(PATIENCE) == 0
    os.close(source)
    os.close(sink)


def test_what_was_not_taken_is_counted() -> None:
    source, sink = os.pipe()
    output = SegOutput(sink, lambda: None)
    output.put(b"x" * 200_000)
    output.start()
    assert output.close(0.05) > 0
    os.close(source)
    until(lambda: output.error is not None)
    os.close(sink)


def test_a_reader_that_goes() -> None:
    source, sink = os.pipe()
    gone = threading.Event()
    output = SegOutput(sink, gone.set, backlog_max=10)
    os.close(source)
    output.put(b"line that nobody reads\n")
    drained = threading.Event()
    output.when_drained(drained.set)
    output.start()
    assert gone.wait(PATIENCE)
    assert isinstance(output.error, BrokenPipeError)
    assert drained.wait(PATIENCE), "nobody waits for a reader that has gone"
    os.close(sink)


def test_a_descriptor_that_does_not_block() -> None:
    source, sink = os.pipe()
    os.set_blocking(sink, False)
    output = SegOutput(sink, lambda: None)
    output.start()
    data = b"".join(b"%07d\n" % number for number in range(30_000))
    output.put(data)
    received = b""
    while len(received) < len(data):
        received += os.read(source, 1 << 16)
    assert received == data
    assert output.close(PATIENCE) == 0
    os.close(source)
    os.close(sink)


def test_an_output_that_fails() -> None:
    sink = os.open("/dev/full", os.O_WRONLY)
    failed = threading.Event()
    output = SegOutput(sink, failed.set)
    output.start()
    output.put(b"line\n")
    assert failed.wait(PATIENCE)
    assert output.error is not None
    assert output.error.errno == errno.ENOSPC
    os.close(sink)
