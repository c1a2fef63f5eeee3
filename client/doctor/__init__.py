"""`chatterbox doctor`: diagnoses the connection to a server.

`network_probes` and `probe_socket` do the I/O and return facts. `reach_checks`, `http_checks`, `handshake_checks` and
`message_checks` turn facts into results, without I/O. `check_sequence` runs the checks in order; `report` prints them.
"""
