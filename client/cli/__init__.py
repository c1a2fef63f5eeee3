"""The command line: parser, help texts, dispatch, shell completion and the manual page."""
