"""User names of user ids, looked up once each."""

from __future__ import annotations

import pwd
from functools import cache

from tui.model.format import printable


@cache
def user_name(userid: int) -> str:
    """Return the login name of ``userid``, or the number if the system knows none; empty for -1
    (not known yet).
    """
    if userid < 0:
        return ""
    try:
        return printable(pwd.getpwuid(userid).pw_name)
    except (KeyError, OverflowError):
        return str(userid)
