"""Commands that no program can be given."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from broker.subprocess.launch import Command, launch

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("argv", "env"),
    [
        (["true", "a\0b"], {}),
        (["/bin/tr\0ue"], {}),
        (["true"], {"A": "b\0c"}),
        (["true"], {"A\0": "b"}),
        (["true"], {"A=": "b"}),
    ],
)
@pytest.mark.parametrize("before_exec", [None, lambda: None])
def test_words_that_cannot_be_passed_on(
    argv: list[str], env: dict[str, str], before_exec: Callable[[], None] | None
) -> None:
    command = Command(argv, {"PATH": "/usr/bin:/bin", **env}, before_exec=before_exec)
    with pytest.raises(OSError, match=r"cannot be passed|Invalid argument") as caught:
        launch(command)
    assert caught.value.errno == errno.EINVAL
