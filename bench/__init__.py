"""Measures Chatterbox on this machine: `python -m bench` (README.md here says what, and how to read it)."""
