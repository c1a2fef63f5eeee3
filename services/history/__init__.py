"""The history service: owns rooms, memberships, the messages table and the order of messages."""
