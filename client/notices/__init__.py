"""Notices: of which new messages one is told, and how. Independent of any face; see `client.notices.notices`."""
