"""Schedules of encrypted conversations: real history and key stores, and what can go wrong between two commits."""
