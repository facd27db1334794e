"""Pluggable checks of jobs before they are accepted (the flux.job.validator package of the
manual).
"""

from __future__ import annotations

from flux.job.validator.validator import (
    JobValidator,
    ValidatorJobInfo,
    ValidatorPlugin,
    ValidatorResult,
)

__all__ = ["JobValidator", "ValidatorJobInfo", "ValidatorPlugin", "ValidatorResult"]
