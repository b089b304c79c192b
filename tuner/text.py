"""Text of other people, made safe for a terminal.

The rule: nothing that a terminal obeys, or that turns the order of letters around, is printed.
"""

from __future__ import annotations

import re

CONTROLS = r"\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
"""For a character class: C0, DEL, C1, separators of lines, and marks that change the direction."""

# Halves of characters, which stand for undecodable bytes, cannot be written in UTF-8.
_REFUSED = re.compile(rf"[{CONTROLS}\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with U+FFFD in place of every character that a terminal would obey."""
    return _REFUSED.sub("\N{REPLACEMENT CHARACTER}", text)


def is_printable(text: str) -> bool:
    """Whether `printable` leaves the text as it is."""
    return _REFUSED.search(text) is None
