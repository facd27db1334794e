"""The wrapping of signed jobspecs, as recorded on the wire."""

from __future__ import annotations

import errno
from base64 import b64encode

import pytest

from flux.security import SecurityContext, sign, unwrap

RECORDED = b"dmVyc2lvbgBpMQB1c2VyaWQAaTAAbWVjaGFuaXNtAHNub25lAA==.e30K.none"


def test_wraps_as_recorded() -> None:
    assert sign(b"{}\n", userid=0) == RECORDED
    assert unwrap(RECORDED) == (b"{}\n", 0)
    assert unwrap(RECORDED.decode()) == (b"{}\n", 0)


def test_context() -> None:
    context = SecurityContext()
    assert context.sign_unwrap(context.sign_wrap_as(1234, "text")) == (b"text", 1234)
    with pytest.raises(OSError, match="munge not supported"):
        context.sign_wrap("x", "munge")


def _header(text: str) -> bytes:
    return b64encode(text.encode())


@pytest.mark.parametrize(
    "signed",
    [
        b"",
        b"a.b",
        b"!.e30K.none",
        RECORDED.replace(b".none", b".some"),
        _header("version\0i2\0userid\0i0\0mechanism\0snone\0") + b".e30K.none",
        _header("version\0i1\0mechanism\0snone\0") + b".e30K.none",
        _header("version\0i1\0userid\0i0\0mechanism\0smunge\0") + b".e30K.none",
        _header("version") + b".e30K.none",
        RECORDED.split(b".")[0] + b".x.none",
    ],
)
def test_malformed(signed: bytes) -> None:
    with pytest.raises(OSError) as caught:
        unwrap(signed)
    assert caught.value.errno == errno.EINVAL
