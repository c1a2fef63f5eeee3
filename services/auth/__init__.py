"""Users, passwords, login sessions, signing keys: who somebody is, and until when."""
