"""Rooms on this gateway: fan-out, subscriptions, catch-up, memberships."""
