"""Ctrl-C, and a notebook's "interrupt", while a sweep runs in somebody else's process.

The rule: the process is not ours to end. An interruption lets running trials finish, a second one
hands them back, and a third is the usual KeyboardInterrupt. SIGTERM hands them back and then goes
to whoever it was meant for. Handlers are put back in any case.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuner.commands.running import Interruption

DRAINING = "Running trials finish; interrupt again to hand them back at once.\n"
HANDING_BACK = "Handing running trials back …\n"


@contextmanager
def interruptible(
    draining: str = DRAINING, handing_back: str = HANDING_BACK
) -> Iterator[Interruption]:
    """What a use case is to route signals to; a SIGTERM is passed on when the block is left."""
    from tuner.commands.running import TERMINATED, Interruption

    interruption = Interruption(draining, handing_back, ends_process=False)
    try:
        yield interruption
    finally:
        if interruption.exit_code == TERMINATED:
            signal.raise_signal(signal.SIGTERM)
