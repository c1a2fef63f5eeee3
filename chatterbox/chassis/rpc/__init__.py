"""Internal RPC: length-prefixed requests and responses over one upgraded HTTP connection."""
