"""Where the client lives on a machine: its folders, its configuration, its themes, where passwords come from."""
