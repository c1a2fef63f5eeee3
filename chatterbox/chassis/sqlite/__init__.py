"""SQLite files: opening, migrations, locks, integrity checks, backups, disk reserve."""
