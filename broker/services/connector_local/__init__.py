"""The local:// connector."""
