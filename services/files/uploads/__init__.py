"""Uploads: limits, receiving bytes, scanning and completion."""
