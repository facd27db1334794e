"""The instance's heartbeat."""
