"""Reducer for rooms: messages, changes, joins, memberships, coming back."""
