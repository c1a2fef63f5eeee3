"""Helpers that several kinds of tests share: running servers, clients, faults, and waiting."""
