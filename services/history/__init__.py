"""The history service: rooms, memberships, stored messages and their order."""
