"""Textual widgets: they draw the model and hand on keys."""
