"""Commands that run at intervals, at dates and on events."""
