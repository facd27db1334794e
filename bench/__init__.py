"""Measurements behind docs/performance.md.

Each module can be run alone: `python -m bench.start`.
"""
