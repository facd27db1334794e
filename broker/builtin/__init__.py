"""Services that are the broker itself: attributes, log, events, service names, modules, state."""
