"""Measurements of the promises that have a figure: `python -m bench.promises`."""
