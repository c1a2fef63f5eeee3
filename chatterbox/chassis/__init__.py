"""Shared infrastructure of every service process: HTTP, Redis, SQLite, RPC, observability, settings, serving."""
