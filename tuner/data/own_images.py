"""A folder of pictures as a data set: one folder a class, below `train` and `test` if those exist.

The rule: all pictures go through `pictures`, as those do that a model is asked about; sizes and
colours are never changed silently. Classes and rows come in the order of their names.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuner.data.dataset import Array, Dataset
from tuner.data.labels import number_classes, word_classes
from tuner.data.pictures import PICTURES, open_flat, pixels_of, upright_size
from tuner.errors import DataError
from tuner.reading import Reading

PARTS = ("train", "test")
OTHER_PARTS = ("val", "valid", "validation", "dev")
MOST_BYTES = 8 << 30
AT_ONCE = 64  # pictures that are decoded ahead
MOST_THREADS = 16
_LISTED = 5  # sizes, notes and files that a message names
Track = Callable[[list[Path], str], Iterator[Path]]


@dataclass(frozen=True)
class Picture:
    """A file, its class and whether it is a training row."""

    file: Path
    label: str
    training: bool


def load_images(
    path: Path,
    reading: Reading,
    name: str,
    source: str,
    track: Track = lambda files, _: iter(files),
) -> Dataset:
    """The data set in a folder.

    Args:
        path: the folder.
        reading: `image_size` and `colour`, if they are said.
        name, source: as in `Dataset`.
        track: passes files on, and may show how far it is.

    Raises:
        DataError: the folder cannot be trained on as it is; says which file and what to do.
    """
    remarks: list[str] = []
    pictures, tested = _pictures(path, remarks)
    training = np.array([picture.training for picture in pictures], np.bool_)
    labels = [picture.label for picture in pictures]
    if all(label.isdecimal() and str(int(label)) == label for label in labels):
        numbers = np.array([int(label) for label in labels], np.int64)
        classes = number_classes(numbers, training, str(path))
    else:
        classes = word_classes(np.array(labels, object), training, str(path))
    files = [picture.file for picture in pictures]
    size = reading.image_size or _one_size(path, files, track)
    x, notes = _pixels(path, files, size, reading.colour, track)
    remarks += notes
    shape = "×".join(map(str, x.shape[1:]))
    colours = "grey" if x.ndim == 3 else "colour"
    encoder = {"from": "images", "classes": list(classes.names)}
    return Dataset(
        name=name,
        x_train=x[training],
        y_train=classes.y[training],
        x_test=x[~training] if tested else None,
        y_test=classes.y[~training] if tested else None,
        class_names=classes.names,
        kind="image",
        scale=255.0,
        description=f"{len(files):,} pictures of {shape} pixels in {colours}, "
        f"{len(classes.names)} classes",
        source=source,
        encoder=encoder,
        remarks=tuple(remarks),
        account={
            "rows": len(files),
            "test": "the folder test" if tested else None,
            "resized": reading.image_size is not None,
            "left": {},
            "missing": {},
            "dropped": 0,
        },
    )


def files_of(path: Path) -> list[Path]:
    """All files below a folder, in order; a link that leads back up is not followed."""
    return sorted(file for file in path.rglob("*") if file.is_file())


# --- which files there are ----------------------------------------------------------------------


def _pictures(path: Path, remarks: list[str]) -> tuple[list[Picture], bool]:
    folders = _folders(path)
    by_name = {folder.name.lower(): folder for folder in folders}
    other = next((by_name[name] for name in OTHER_PARTS if name in by_name), None)
    if "train" in by_name and _folders(by_name["train"]):
        if other is not None:
            raise DataError(
                f"{path}: holds {other.name} beside train, but validation rows are cut from the "
                f"training rows.\nMove its pictures to train, or take {other.name} away."
            )
        parts = {part: by_name[part] for part in PARTS if part in by_name}
        if over := [folder.name for folder in folders if folder not in parts.values()]:
            raise DataError(
                f"{path}: holds {', '.join(over[:_LISTED])} beside train: is that a class?\nMove "
                "it into train, or take it away."
            )
    else:
        parts = {"train": path}
    found: list[Picture] = []
    skipped: Counter[str] = Counter()
    for part, folder in parts.items():
        classes = _folders(folder)
        if not classes:
            raise DataError(_no_classes(folder))
        for one in classes:
            files = _files(one, skipped)
            found += [Picture(file, one.name, part == "train") for file in files]
    if skipped:
        listed = ", ".join(
            f"{number:,} {ending}" for ending, number in skipped.most_common(_LISTED)
        )
        remarks.append(f"Files that are no pictures are left out: {listed}.")
    return found, "test" in parts


def _folders(path: Path) -> list[Path]:
    try:
        below = sorted(path.iterdir())
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}).") from error
    return [one for one in below if one.is_dir() and not one.name.startswith((".", "__"))]


def _files(folder: Path, skipped: Counter[str]) -> list[Path]:
    """The pictures of a class; what else lies there is counted."""
    found = []
    for one in sorted(folder.iterdir()):
        if one.name.startswith(".") or one.name.lower() in ("thumbs.db", "desktop.ini"):
            continue
        if one.is_dir():
            if any(f.suffix.lower() in PICTURES for f in one.rglob("*")):
                raise DataError(
                    f"{folder}: holds the folder {one.name}, but a class is one folder of "
                    "pictures.\nMove its pictures up, or make it a class of its own."
                )
            continue
        if one.suffix.lower() in PICTURES:
            found.append(one)
        else:
            skipped[one.suffix.lower() or "without ending"] += 1
    if not found:
        raise DataError(
            f"{folder}: holds no picture ({', '.join(PICTURES)}).\nEvery folder is a class: put "
            "pictures into it, or take it away."
        )
    return found


def _no_classes(folder: Path) -> str:
    loose = sum(1 for one in folder.iterdir() if one.suffix.lower() in PICTURES)
    what = f"holds {loose:,} pictures, but no folders" if loose else "holds no folders"
    return (
        f"{folder}: {what}.\nA data set of pictures is a folder with one folder a class, such as "
        f"{folder / 'cats' / '1.png'} and {folder / 'dogs' / '1.png'}."
    )


# --- what is in them ----------------------------------------------------------------------------


def _one_size(path: Path, files: list[Path], track: Track) -> tuple[int, int]:
    sizes = Counter(upright_size(file) for file in track(files, "Looking at pictures"))
    if len(sizes) == 1:
        return next(iter(sizes))
    common = [f"{h}×{w} ({number:,})" for (h, w), number in sizes.most_common(_LISTED)]
    more = f" and {len(sizes) - _LISTED} more" if len(sizes) > _LISTED else ""
    height, width = sizes.most_common(1)[0][0]
    while max(height, width) > 128:
        height, width = max(height // 2, 1), max(width // 2, 1)
    raise DataError(
        f"{path}: the pictures have {len(sizes):,} sizes, height×width: "
        f"{', '.join(common)}{more}.\n"
        f"Say which one all are brought to, as in `image_size: [{height}, {width}]` (--image-size "
        f"{height}x{width} on the command line)."
    )


def _pixels(
    path: Path, files: list[Path], size: tuple[int, int], colour: str | None, track: Track
) -> tuple[Array, list[str]]:
    """All pictures, uint8 (n, height, width) where they are grey, else with 3 channels."""
    each = size[0] * size[1] * (1 if colour == "grey" else 3)
    if len(files) * each > MOST_BYTES:
        raise DataError(
            f"{path}: {len(files):,} pictures of {size[0]}×{size[1]} pixels take more than "
            f"{MOST_BYTES >> 30} GiB.\nMake them smaller by `image_size`."
        )
    channels = () if colour == "grey" else (3,)
    x = np.empty((len(files), *size, *channels), np.uint8)
    grey = colour is None
    resized = 0
    seen: Counter[str] = Counter()
    colours = 1 if colour == "grey" else 3
    read = _read_all(files, colours, size)
    for row, (file, one) in enumerate(zip(track(files, "Reading pictures"), read, strict=True)):
        pixels, notes, changed = one
        seen.update(note.removeprefix(f"{file}: ") for note in notes)
        resized += changed
        grey = grey and bool(
            (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all()
        )
        x[row] = pixels
    remarks = [_said(text, number) for text, number in seen.most_common(_LISTED)]
    if resized:
        remarks.append(
            f"{resized:,} of {len(files):,} pictures are resized to {size[0]}×{size[1]}, whatever "
            "their proportions."
        )
    return (np.ascontiguousarray(x[..., 0]) if grey else x), remarks


def _read_all(
    files: list[Path], colours: int, size: tuple[int, int]
) -> Iterator[tuple[Array, list[str], bool]]:
    """Pixels, notes and whether it was resized of each picture, in order, some at a time."""

    def read(file: Path) -> tuple[Array, list[str], bool]:
        image, notes = open_flat(file)
        return pixels_of(image, colours, size), notes, image.size != size[::-1]

    # Pillow lets go of the interpreter while it decodes.
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS)) as pool:
        for first in range(0, len(files), AT_ONCE):
            yield from pool.map(read, files[first : first + AT_ONCE])


def _said(text: str, number: int) -> str:
    return f"{'1 picture' if number == 1 else f'{number:,} pictures'}: {text}"
