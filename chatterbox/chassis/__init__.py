"""What every service stands on: settings, logs, errors at the edge, SQLite, broker, who a token belongs to, serving."""
