"""`chatterbox doctor`: whether a server can be used through whatever is between, and what to change when not.

`probes` and `line` look and note facts; `reach`, `answers`, `upgrade` and `flow` judge them, without I/O; `examine` has
the order of it; `report` prints.
"""
