"""`python -m tests.support.sabotage SERVICE SABOTAGE [COMMAND ...]`: run a service with one protection removed.

SERVICE is `gateway`, `history` or `allinone` (which takes history's sabotages), SABOTAGE a key of that service's
`SABOTAGES`. What follows are the service's own arguments.
"""

import sys
from functools import partial

from services.allinone.__main__ import main as run_allinone
from services.allinone.app import create_all
from services.gateway.__main__ import main as run_gateway
from services.history.__main__ import main as run_history
from tests.support.sabotage import gateway, history


def main() -> None:
    _, service, sabotage, *arguments = sys.argv
    sys.argv = [f"services.{service}", *arguments]
    match service:
        case "gateway":
            doubles = gateway.SABOTAGES[sabotage]
            run_gateway(doubles.create_app, doubles.handshake_class)
        case "history":
            run_history(history.SABOTAGES[sabotage])
        case "allinone":
            run_allinone(partial(create_all, create_history=history.SABOTAGES[sabotage]))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
