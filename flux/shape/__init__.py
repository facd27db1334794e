"""Resources of a job in one word, ``slot=2/[core=4;gpu]`` (RFC 46)."""
