"""When the interpreter looks for garbage in cycles, during which nothing else happens: a little at a time."""

import gc

SWEPT = 32
"""After so many comings and goings what they left is looked through: about half a millisecond's work."""

THRESHOLDS = (1_000, 5, 10_000)
"""Of `gc.set_threshold`: what is new is looked through often, everything hardly ever."""


def spare() -> None:
    """Look for garbage among what is new, and hardly ever among all there is.

    Connections leave none (`live_socket/test_ends.py`). In a crowd that connects, looking through everything took a
    fifth of the time, a quarter of a second at once, in which nobody got a message.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


class GcScheduler:
    """Has what is new looked through while a crowd comes and goes.

    Left alone the interpreter does so when a thousand more objects were made than freed, as far as it counts them:
    none that a free list gave, but every one that is freed. While thousands connect it counts next to nothing, and
    then looks through the tens of thousands of objects that they consist of at once, for 40 to 120 ms.
    """

    def __init__(self) -> None:
        self._left = SWEPT

    def count(self) -> None:
        """Somebody came, or went."""
        self._left -= 1
        if not self._left:
            self._left = SWEPT
            gc.collect(1)
