"""Clients of history, auth and the broker, and checks that these answer."""
