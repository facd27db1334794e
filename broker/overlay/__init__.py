"""The tree network between brokers."""
