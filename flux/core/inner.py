"""What scripts take from the C library by way of flux-core's bindings: names of job states and
results, and constants.

There is no C library here. Functions of it that need neither a handle nor memory are there under
their names, with the calling conventions of the bindings: text comes back as bytes, and what a
function stores is stored through a pointer made by ``ffi.new``. The others have a counterpart in
Python (docs/man3.md says which) and are missing by name.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, Final

from flux import constants
from flux.job.state_names import SINGLE_STATES, result_name, state_name
from flux.wire.text import Text, as_number, as_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_POINTER: Final = re.compile(r"\s*([A-Za-z_][A-Za-z_0-9 ]*?)\s*(?:\*|\[\s*([0-9]+)\s*\])\s*\Z")
MAX_ITEMS: Final = 1 << 20


class Pointer:
    """Memory for numbers, or what a pointer of C points to: ``pointer[0]``."""

    def __init__(self, kind: str, items: list[int]) -> None:
        self.kind = kind
        self._items = items

    def __getitem__(self, index: int) -> int:
        return self._items[index]

    def __setitem__(self, index: int, value: int) -> None:
        self._items[index] = as_number(value, "what is stored")

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<Pointer to {len(self._items)} {self.kind}>"


class ForeignFunctions:
    """What scripts use of cffi's ``ffi``."""

    NULL: Final = None

    def new(self, declaration: str, initial: int | Sequence[int] | None = None) -> Pointer:
        """Return memory for numbers, declared as ``int *`` or ``flux_job_state_t [1]``; it is 0
        unless ``initial`` says otherwise. Raises TypeError for another declaration.
        """
        match = _POINTER.match(declaration)
        count = int(match[2] or 1) if match else 0
        if match is None or not 0 < count <= MAX_ITEMS:
            raise TypeError(f"{declaration!r} declares no pointer to numbers")
        values = [initial] if isinstance(initial, int) else list(initial or ())
        if len(values) > count:
            raise IndexError(f"{len(values)} values for {declaration!r}")
        made = Pointer(match[1], [0] * count)
        for index, value in enumerate(values):
            made[index] = value
        return made

    def string(self, text: bytes) -> bytes:
        """Return the bytes of a string that a function returned."""
        return text


class Core:
    """The functions and constants of the C library that mean something without it.

    ``FLUX_*`` are the numbers of `flux.constants`.
    """

    def flux_job_statetostr(self, state: int, single: bool | Text = False) -> bytes:
        """Return the name of a job state, or its letter if ``single`` or a format such as ``S``."""
        return state_name(as_number(state, "a state"), _is_short(single)).encode()

    def flux_job_resulttostr(self, result: int, abbrev: bool | Text = False) -> bytes:
        """Return the name of a job's result, or its abbreviation."""
        return result_name(as_number(result, "a result"), _is_short(abbrev)).encode()

    def flux_job_strtostate(self, text: Text, state: Pointer) -> int:
        """Store the state that a name or letter stands for; raises OSError(EINVAL) for another."""
        wanted = as_text(text, "the name of a state").upper()
        for number in SINGLE_STATES:
            if wanted in (state_name(number), state_name(number, True)):
                state[0] = number
                return 0
        raise OSError(errno.EINVAL, f"{wanted} is no job state")

    def flux_job_strtoresult(self, text: Text, result: Pointer) -> int:
        """Store the result that a name or abbreviation stands for; raises OSError(EINVAL) for
        another.
        """
        wanted = as_text(text, "the name of a result").upper()
        for number in _RESULTS:
            if wanted in (result_name(number), result_name(number, True)):
                result[0] = number
                return 0
        raise OSError(errno.EINVAL, f"{wanted} is no result of a job")

    def __getattr__(self, name: str) -> int:
        """Return a constant; raises AttributeError for a function that needs the C library."""
        value = getattr(constants, name, None) if name.startswith("FLUX_") else None
        if not isinstance(value, int):
            text = f"{name} is a matter of the C library: see docs/man3.md for its counterpart"
            raise AttributeError(text)
        return value


_RESULTS: Final = (
    constants.FLUX_JOB_RESULT_COMPLETED,
    constants.FLUX_JOB_RESULT_FAILED,
    constants.FLUX_JOB_RESULT_CANCELED,
    constants.FLUX_JOB_RESULT_TIMEOUT,
)


def _is_short(form: bool | Text) -> bool:
    """Whether the short form is wanted: 0.29 takes a truth value, today's a printf(3) format."""
    if isinstance(form, bool | int):
        return bool(form)
    return as_text(form, "the form").endswith("S")


ffi: Final = ForeignFunctions()
raw: Final = Core()
