"""Constraints on where a job may run: the objects of RFC 31, and their short form of RFC 35."""

from __future__ import annotations

from flux.constraint.match import Matcher, Place, check_constraint, compile_constraint, joined
from flux.constraint.parser import ConstraintParser, ConstraintSyntaxError, parse_constraint

__all__ = [
    "ConstraintParser",
    "ConstraintSyntaxError",
    "Matcher",
    "Place",
    "check_constraint",
    "compile_constraint",
    "joined",
    "parse_constraint",
]
