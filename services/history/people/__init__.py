"""Users as others see them: profiles, privacy, last seen; and what they set for themselves."""
