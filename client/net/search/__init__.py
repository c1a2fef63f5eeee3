"""Search in encrypted rooms: reading what it does not know, and answering what is asked."""
