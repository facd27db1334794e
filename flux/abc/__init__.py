"""Bases of classes that follow a service's journal (``flux.abc`` of today's flux-core)."""

from __future__ import annotations

from flux.abc.journal import JournalConsumerBase, JournalEventBase

__all__ = ["JournalConsumerBase", "JournalEventBase"]
