"""User accounts: the users table, password hashing, registration and password changes."""
