"""Imports the modules of the command `chatterbox`, for the process that commands are forked from."""

import client.__main__
import client.cli.dispatch
import client.commands.chat_commands
import client.doctor.report
import client.screen.full_screen
import client.screen.widgets.chat_app  # noqa: F401
