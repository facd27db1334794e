"""The screen of one job: `tui.screens.job.screen` lays it out, the others are its parts."""

from tui.screens.job.screen import JobScreen

__all__ = ["JobScreen"]
