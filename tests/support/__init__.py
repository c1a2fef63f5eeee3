"""What several kinds of tests share: a running server, and people who talk to it."""
