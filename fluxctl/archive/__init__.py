"""Key-value stores as tar archives: what ``flux dump`` writes and ``flux restore`` reads."""
