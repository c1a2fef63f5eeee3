"""Pure rules: usernames, passwords, look-alike names, login throttling."""
