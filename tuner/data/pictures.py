"""Picture files as pixels of 8 bits: turned as EXIF says, without transparency, grey or in colour.

The rule: pictures to train on and pictures that a model is asked about go through the same steps,
so that a model sees both alike. What had to be decided on the way is said in a note.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tuner.data.dataset import Array
from tuner.errors import DataError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
DEEPEST = 65_535.0
"""White with 16 bits."""

LFS = b"version https://git-lfs.github.com/spec/"


def refuse_pointer(path: Path) -> None:
    """Raise DataError where a file is not itself but a pointer that Git LFS left in its place."""
    with path.open("rb") as handle:
        if handle.read(len(LFS)) == LFS:
            raise DataError(
                f"{path} is a pointer of Git LFS, not the file itself.\nGet it by: git lfs pull"
            )


def open_flat(path: Path) -> tuple[Any, list[str]]:
    """A picture as PIL opens it, upright, with 8 bits and without transparency, and notes.

    Raises:
        DataError: the file is no picture, or is damaged.
    """
    from PIL import Image, ImageOps

    notes = []
    try:
        with Image.open(path) as opened:
            opened.load()
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith(("I", "F")):  # 16 bits, which `convert` would cut off
                image, stretched = _eight_bits(image)
                notes += [f"{path}: {stretched}"] if stretched else []
            if "A" in image.getbands() or "transparency" in image.info:
                flat = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", flat.size, "black"), flat)
                notes.append(f"{path}: transparent parts are taken for black.")
            return image.copy() if image is opened else image, notes
    except Exception as error:  # a damaged file raises whatever its bytes happen to lead to
        if path.is_file():
            refuse_pointer(path)
        raise DataError(f"{path} is not a picture, or is damaged ({reason(error)}).") from error


def upright_size(path: Path) -> tuple[int, int]:
    """(height, width) of a picture from the head of its file, as EXIF turns it.

    Raises:
        DataError: the file is no picture, or is damaged.
    """
    from PIL import Image

    try:
        with Image.open(path) as opened:
            width, height = opened.size
            turned = opened.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
    except Exception as error:  # a damaged file raises whatever its bytes happen to lead to
        if path.is_file():
            refuse_pointer(path)
        raise DataError(f"{path} is not a picture, or is damaged ({reason(error)}).") from error
    return (width, height) if turned else (height, width)


ORIENTATION = 0x0112
"""The EXIF entry that says how a picture is turned."""


def pixels_of(image: Any, colours: int, size: tuple[int, int]) -> Array:
    """Pixels of an upright picture, uint8 (height, width) or (height, width, 3).

    Args:
        image: what `open_flat` gives.
        colours: 1 for grey, 3 for red, green and blue.
        size: height and width; the picture is resized if it has others.
    """
    from PIL import Image

    height, width = size
    found = image.convert("L" if colours == 1 else "RGB")
    if found.size != (width, height):
        found = found.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(found, np.uint8)


def _eight_bits(image: Any) -> tuple[Any, str]:
    """A picture of deeper greys with 8 bits, and a note where their range was not known."""
    from PIL import Image

    deep = np.asarray(image, np.float64)
    low, high = float(deep.min()), float(deep.max())
    note = ""
    if image.mode.startswith("F") and low >= 0 and high <= 1:
        top = 1.0
    elif not image.mode.startswith("F") and low >= 0 and high <= DEEPEST:
        top = DEEPEST
        if high < DEEPEST / 4:
            note = f"its brightest value is {high:g}, where white is {DEEPEST:g} (16 bits)."
    else:
        top = max(high, 1.0)
        note = f"its values go from {low:g} to {high:g}; {top:g} is taken for white."
    return Image.fromarray((np.clip(deep, 0, None) / top * 255).astype(np.uint8)), note


def reason(error: BaseException) -> str:
    """The first line of an error, not too long."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
