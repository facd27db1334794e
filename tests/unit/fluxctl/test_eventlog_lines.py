"""How entries of eventlogs are shown."""

from __future__ import annotations

from fluxctl.job.events import EntryFormatter


def test_an_entry_is_one_line_whatever_its_keys_are() -> None:
    """A user may update attributes with any name: nobody forges an event with it."""
    shown = EntryFormatter("text", "raw").format(
        "",
        {
            "timestamp": 1.0,
            "name": "jobspec-update",
            "context": {"attributes.user.a\n2.000000 clean\x1b[A": "b\n"},
        },
    )
    assert shown == (
        '1.000000 jobspec-update attributes.user.a\\u000a2.000000 clean\\u001b[A="b\\n"'
    )
