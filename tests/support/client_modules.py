"""What the command `chatterbox` imports, for the process that commands are forked from."""

import client.__main__
import client.cli.dispatch
import client.commands
import client.doctor.report
import client.screen.app
import client.screen.run  # noqa: F401
