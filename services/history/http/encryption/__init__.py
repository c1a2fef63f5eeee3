"""Routes of end-to-end encryption: keys of devices, device lists and key backups; calls of gateways."""
