"""Devices and their keys: uploads, device lists, one-time keys, claims, key backups, and when devices end."""
