"""A date and time as output formats show it (flux.util of today's flux-core)."""

from __future__ import annotations

from datetime import datetime

from flux.output_prefixes import split_date_spec
from flux.output_values import format_value
from flux.time_text import ISO


class UtilDatetime(datetime):
    """A date and time whose format spec is a strftime(3) format, by default ISO 8601.

    After ``::`` the spec has the width and alignment of the text, where ``h`` shows a missing time
    as ``-``. The epoch stands for a missing time, which is the empty text.
    """

    def __format__(self, spec: str) -> str:
        how, shape = split_date_spec(spec)
        text = self.strftime(how or ISO) if self.timestamp() else ""
        return format_value(text, shape) if shape else text
