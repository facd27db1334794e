"""One folder a service, named after its module."""
