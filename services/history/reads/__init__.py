"""What users have read: positions, unread counts, mentions and notification levels."""
