"""The auth service: users, passwords, login sessions and signing keys."""
