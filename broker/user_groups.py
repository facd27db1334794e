"""Who a user is, for rules that name users and groups."""

from __future__ import annotations

import grp
import os
import pwd
from functools import lru_cache


@lru_cache(maxsize=1024)
def groups_of(userid: int) -> tuple[str, frozenset[str]]:
    """Return a user's name and groups; those unknown have their numbers. Remembered until
    ``groups_of.cache_clear()``.
    """
    try:
        entry = pwd.getpwuid(userid)
    except KeyError:
        return str(userid), frozenset()
    names = set()
    for gid in os.getgrouplist(entry.pw_name, entry.pw_gid):
        try:
            names.add(grp.getgrgid(gid).gr_name)
        except KeyError:
            names.add(str(gid))
    return entry.pw_name, frozenset(names)
