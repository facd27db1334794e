"""RFC 3 messages: bytes in, bytes out, no I/O."""
