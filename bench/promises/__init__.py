"""The promises that have a figure, measured: `python -m bench.promises`."""
