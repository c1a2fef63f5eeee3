"""The command line: its grammar, what is generated from that, and what each command does."""
