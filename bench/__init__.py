"""Benchmarks of Chatterbox: `python -m bench` (README.md describes the workloads and how to read the figures)."""
