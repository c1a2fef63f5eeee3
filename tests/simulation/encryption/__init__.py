"""Schedules of encrypted conversations: real history, real key stores, and whatever can go wrong between two commits."""
