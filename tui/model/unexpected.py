"""What is raised where an answer or a recording does not hold what it should."""

from __future__ import annotations

from typing import Final

UNEXPECTED: Final = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)
"""Text that is no number, a list for an object, a key or a state that is not there, a number that
a column does not hold: whatever the program on the other side sends, the dashboard goes on.
"""
