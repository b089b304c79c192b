"""Messages that were written for the command line, for a reader of Python.

The rule: what is an option there is a keyword of the same name here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from tuner.errors import TunerError

_NAME = re.compile(r"--name (\S+)$", re.M)
_OPTION = re.compile(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)")


def spoken(text: str) -> str:
    """The same with keywords in the place of options: `--until-met` is `until_met`."""
    text = _NAME.sub(r'name="\1"', text)
    return _OPTION.sub(lambda found: found[1].replace("-", "_"), text)


@contextmanager
def in_python() -> Iterator[None]:
    """Let the errors of the block speak of keywords."""
    try:
        yield
    except TunerError as error:
        error.args = (spoken(str(error)),)
        raise
