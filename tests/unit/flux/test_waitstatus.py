"""Wait statuses as the system, shells and Python count them."""

from __future__ import annotations

import errno
import os

import pytest

from flux.waitstatus import (
    BROKEN_PIPE,
    INTERRUPTED,
    code_of_failure,
    exit_code_of,
    return_code_of,
    signal_of,
    status_of_code,
)


@pytest.mark.parametrize("code", [0, 1, 127, 128, 255])
def test_exit_codes(code: int) -> None:
    status = status_of_code(code)
    assert os.waitstatus_to_exitcode(status) == code
    assert (signal_of(status), exit_code_of(status), return_code_of(status)) == (0, code, code)


@pytest.mark.parametrize("signum", [1, 9, 15, 64])
@pytest.mark.parametrize("core", [0, 0x80])
def test_signals(signum: int, core: int) -> None:
    status = signum | core
    assert os.WTERMSIG(status) == signum
    assert (signal_of(status), exit_code_of(status), return_code_of(status)) == (
        signum,
        128 + signum,
        -signum,
    )


@pytest.mark.parametrize("status", [-1, 0x7F, 1 << 40, 0xFFFF00])
def test_numbers_that_are_no_status_raise_nothing(status: int) -> None:
    assert 0 <= exit_code_of(status) <= 255


def test_exit_codes_of_shells() -> None:
    assert (INTERRUPTED, BROKEN_PIPE) == (130, 141)
    assert code_of_failure(FileNotFoundError(errno.ENOENT, "no such file")) == 127
    assert code_of_failure(PermissionError(errno.EACCES, "no permission")) == 126
    assert code_of_failure(OSError("without a number")) == 126
