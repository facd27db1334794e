"""Commands on an instance that have to end as expected, and what they print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .watching import PATIENCE

if TYPE_CHECKING:
    import subprocess

    from flux.testing.instance import Instance


def flux(instance: Instance, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = instance.run(*words, timeout=PATIENCE)
    assert done.returncode == code, done.stderr
    return done


def said(instance: Instance, *words: str, code: int = 0) -> str:
    return flux(instance, *words, code=code).stdout.strip()
