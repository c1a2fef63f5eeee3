"""Chatterbox as several local processes, without Docker: what `make up GATEWAYS=3` runs."""
