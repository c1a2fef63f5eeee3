"""End-to-end encryption: devices and their keys, who can read encrypted rooms, and inboxes of devices."""
