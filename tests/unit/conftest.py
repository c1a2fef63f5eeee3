"""Property tests look at fewer examples than hypothesis would, so that all unit tests stay a matter of seconds."""

from hypothesis import settings

settings.register_profile("unit", max_examples=25, deadline=None)
settings.load_profile("unit")
