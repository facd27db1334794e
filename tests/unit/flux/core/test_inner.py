"""flux.core.inner: what scripts take from the C library's bindings."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from flux.core.inner import ffi, raw


def test_names_of_states_and_results_and_the_way_back() -> None:
    found = ffi.new("flux_job_state_t *")
    for number, name, letter in ((1, b"NEW", b"N"), (8, b"SCHED", b"S"), (64, b"INACTIVE", b"I")):
        assert raw.flux_job_statetostr(number, False) == name
        assert raw.flux_job_statetostr(number, True) == raw.flux_job_statetostr(number, "S")
        assert ffi.string(raw.flux_job_statetostr(number, True)) == letter
        for text in (name, letter, name.decode().lower()):
            assert raw.flux_job_strtostate(text, found) == 0
            assert found[0] == number
    result = ffi.new("flux_job_result_t [1]")
    for number, name, short in ((1, b"COMPLETED", b"CD"), (4, b"CANCELED", b"CA")):
        assert raw.flux_job_resulttostr(number, False) == name
        assert raw.flux_job_resulttostr(number, True) == short
        for text in (name, short):
            assert raw.flux_job_strtoresult(text, result) == 0
            assert result[0] == number
    assert raw.flux_job_statetostr(12345) == b"(unknown)"


@pytest.mark.parametrize("function", [raw.flux_job_strtostate, raw.flux_job_strtoresult])
@pytest.mark.parametrize("text", ["", "x", "unknown", "?"])
def test_a_name_that_there_is_not(function: object, text: str) -> None:
    assert callable(function)
    with pytest.raises(OSError) as caught:
        function(text, ffi.new("int *"))
    assert caught.value.errno == errno.EINVAL


def test_memory() -> None:
    memory = ffi.new("int [3]", [4, 5])
    memory[2] = 6
    assert [memory[0], memory[1], memory[2], len(memory)] == [4, 5, 6, 3]
    assert ffi.new("uint64_t *", 7)[0] == 7
    for wrong in ("int", "char *[", "int [0]", "int [99999999999]", ""):
        with pytest.raises(TypeError):
            ffi.new(wrong)
    with pytest.raises(IndexError):
        ffi.new("int *", [1, 2])
    with pytest.raises(IndexError):
        memory[3] = 1


def test_constants_are_there_and_functions_of_c_are_not() -> None:
    assert (raw.FLUX_NODEID_ANY, raw.FLUX_MSGTYPE_ANY) == (0xFFFFFFFF, 0x0F)
    assert ffi.NULL is None
    with pytest.raises(AttributeError, match=r"flux_open is a matter of the C library.*man3"):
        _ = raw.flux_open
    with pytest.raises(AttributeError):
        _ = raw.FLUX_NOSUCH


def test_it_is_reached_from_the_package() -> None:
    program = "import flux; print(flux.core.inner.raw.flux_job_statetostr(16, False))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "b'RUN'\n"
