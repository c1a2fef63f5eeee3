"""Messages: the group-commit writer, pages, and publishing what was committed."""
