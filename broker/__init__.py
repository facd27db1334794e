"""The Flux broker daemon and its services."""
