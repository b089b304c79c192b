"""Single rows for the page: an image as a small PNG in the text, a text as its words.

The rule: nothing is enlarged here; a browser draws squares out of pixels.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.prepared import Prepared
from tuner.data.summary import words_of_row
from tuner.data.texts import cut, one_paragraph
from tuner.report.page.mistakes import Ints, Mistake
from tuner.trial import SplitKind

SIDE = 56
"""Pixels of an image's longer side, at most; of a larger one every so many are left out."""

WORDS = 40
BEGINNING = 280
LONGEST = 6_000
VALUES = 6


@dataclass(frozen=True)
class Example:
    """A misclassified row.

    Attributes:
        row: its number in the arrays of its split.
        true, predicted: names of classes.
        confidence, truth: as in `Mistake`.
        image: a data URI, or empty.
        ink: the image is grey on a dark ground, and may be shown inverted on white paper.
        words: of a text its beginning, or its known words where the text is not kept; of a table
            its first values; else empty.
        rest: how a text goes on, or empty.
        verbatim: `words` and `rest` are the text as it was.
    """

    row: int
    true: str
    predicted: str
    confidence: float
    truth: float
    image: str = ""
    ink: bool = False
    words: str = ""
    rest: str = ""
    verbatim: bool = False


def examples_of(
    prepared: Prepared, kind: SplitKind, rows: Ints, mistakes: Sequence[Mistake]
) -> tuple[Example, ...]:
    """The rows of these mistakes.

    Args:
        prepared: the data.
        kind: of the split: with `test`, the validation rows are the test rows.
        rows: row numbers of all validation rows (m,).
        mistakes: which of them.
    """
    x = prepared.test()[0] if kind == "test" else prepared.x_train
    names, vocabulary = prepared.class_names, prepared.vocabulary
    texts = None
    if vocabulary is not None:
        shown = [int(rows[mistake.index]) for mistake in mistakes]
        texts = prepared.texts("test" if kind == "test" else "train", shown)
    found = []
    for number, mistake in enumerate(mistakes):
        row = int(rows[mistake.index])
        image, ink, words, rest = "", False, "", ""
        if prepared.kind == "image":
            pixels = shrunk(np.asarray(x[row]), prepared.scale)
            image, ink = data_uri(png(pixels)), on_dark(pixels)
        elif texts is not None:
            words, rest = cut(one_paragraph(texts[number]), BEGINNING)
            rest = rest if len(rest) <= LONGEST else f"{rest[:LONGEST]} …"
        elif vocabulary is not None:
            known = words_of_row(np.asarray(x[row]), vocabulary)
            words = " ".join(known[:WORDS]) + (" …" if len(known) > WORDS else "")
        else:
            values = np.asarray(x[row]).ravel()
            words = ", ".join(f"{value:.4g}" for value in values[:VALUES])
            words += " …" if len(values) > VALUES else ""
        found.append(
            Example(
                row=row,
                true=names[mistake.true],
                predicted=names[mistake.predicted],
                confidence=mistake.confidence,
                truth=mistake.truth,
                image=image,
                ink=ink,
                words=words,
                rest=rest,
                verbatim=texts is not None,
            )
        )
    return tuple(found)


def shrunk(image: NDArray[Any], scale: float) -> NDArray[np.uint8]:
    """An image (h, w) or (h, w, channels) as bytes (h, w) or (h, w, 3), `SIDE` pixels at most.

    Values go from 0 to `scale`; of any number of channels but three the first is shown.
    """
    if image.ndim == 3 and image.shape[2] != 3:
        image = image[:, :, 0]
    step = -(-max(image.shape[:2]) // SIDE)
    small = np.asarray(image[::step, ::step], dtype=np.float64) / scale
    return np.asarray(np.clip(np.round(255 * small), 0, 255).astype(np.uint8))


def on_dark(pixels: NDArray[np.uint8]) -> bool:
    """Whether a grey image has a dark border."""
    if pixels.ndim != 2:
        return False
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return bool(np.median(edges) < 128)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG file of (h, w) grey or (h, w, 3) coloured bytes; the same bytes for the same image."""
    height, width = pixels.shape[:2]
    lines = pixels.reshape(height, -1)
    # Each line begins with the number of its filter; 0 is none.
    raw = np.concatenate([np.zeros((height, 1), np.uint8), lines], axis=1).tobytes()
    color = 0 if pixels.ndim == 2 else 2
    head = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def data_uri(image: bytes) -> str:
    """The bytes of a PNG as an address that holds them."""
    return "data:image/png;base64," + base64.b64encode(image).decode("ascii")
