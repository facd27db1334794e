"""Files as JSON (RFC 37): in jobspecs, and archives in the key-value store."""
