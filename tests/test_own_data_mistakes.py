"""Files that cannot be trained on: each is answered by a line that says what, where and what to do.

One table: what is written, how it is read, and words that the answer has to hold. None of them is
answered by a traceback, and none by a data set.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from tuner.data.own import find, load
from tuner.errors import DataError
from tuner.reading import Reading

Write = Callable[[Path], None]
ROWS = "".join(f"{i}.5,{'ab'[i % 2]}\n" for i in range(20))
GOOD = f"size,label\n{ROWS}"


class Mistake(NamedTuple):
    """A file, how it is read, and what the answer says."""

    name: str
    write: Write
    words: tuple[str, ...]
    reading: Reading = Reading()


def text(content: str, encoding: str = "utf-8") -> Write:
    return lambda path: path.write_bytes(content.encode(encoding)) and None


def raw(content: bytes) -> Write:
    return lambda path: path.write_bytes(content) and None


def columns(**parts: list[Any]) -> Write:
    """A text table of these columns."""
    names = list(parts)
    lines = [",".join(map(str, row)) for row in zip(*parts.values(), strict=True)]
    return text("\n".join([",".join(names), *lines]) + "\n")


def parquet(**parts: Any) -> Write:
    def write(path: Path) -> None:
        import pandas as pd

        pd.DataFrame(parts).to_parquet(path)

    return write


def arrays(**parts: Any) -> Write:
    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, **parts)

    return write


def objects(**parts: list[Any]) -> Write:
    """Arrays of Python objects, which only a pickle can hold."""
    return arrays(**{k: np.array(v, dtype=object) for k, v in parts.items()})


def pictures(*files: str, size: tuple[int, int] = (4, 4)) -> Write:
    def write(path: Path) -> None:
        from PIL import Image

        for file in files:
            (path / file).parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", size, 99).save(path / file)

    return write


def both(*writes: Write) -> Write:
    def write(path: Path) -> None:
        for one in writes:
            one(path)

    return write


def beside(name: str, content: bytes) -> Write:
    def write(path: Path) -> None:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)

    return write


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"
TWO = ("a/1.png", "a/2.png", "b/1.png", "b/2.png")
AB = ["a", "b"] * 10
N = list(range(20))
X, Y = np.arange(60.0).reshape(20, 3), np.arange(20) % 2

CASES = [
    # files that are no tables
    Mistake("empty.csv", text(""), ("empty.csv is empty",)),
    Mistake("blank.csv", text("\n  \n\n"), ("blank.csv is empty",)),
    Mistake("header.csv", text("size,label\n"), ("has a header and no rows",)),
    Mistake(
        "latin.csv", text("size,label\n1,Zürich\n", "latin-1"), ("not UTF-8", "line 2", "0xfc")
    ),
    Mistake("wide.csv", text(GOOD, "utf-16"), ("UTF-16", "Save it as UTF-8")),
    Mistake("binary.csv", raw(b"PK\x03\x04\0\0\0\0"), ("not a text file",)),
    Mistake("pointer.csv", raw(POINTER), ("pointer of Git LFS", "git lfs pull")),
    Mistake("long.csv", text(GOOD + "1,2,3\n"), ("line 22", "3 cells", "has 2", "commas")),
    Mistake("short.csv", text(GOOD + "1\n"), ("line 22", "1 cell", "has 2")),
    Mistake("quote.csv", text(GOOD + '1,"a\n'), ("line 22", "quote", "not closed")),
    Mistake("twice.csv", text("size,size,label\n1,2,a\n"), ("several columns called size",)),
    Mistake("unnamed.csv", text("size,,label\n1,2,a\n"), ("column 2 has no name",)),
    Mistake("index.csv", text(",label\n7,a\n7,b\n"), ("column 1 has no name",)),
    Mistake("escape.csv", text("a\x1b[2J,label\n1,a\n"), ("column 1", "cannot be printed")),
    Mistake(
        "bell.csv", columns(size=N, label=["a", "b\x07"] * 10), (r"'b\x07'", "cannot be printed")
    ),
    Mistake("numbers.csv", text("1.5,2,0\n2.5,3,1\n"), ("first line holds numbers", "names")),
    Mistake("semi.csv", text("size;kind\n1,5;a\n2,5;b\n"), ("label", "size, kind")),
    Mistake("cut.parquet", raw(b"PAR1 and no more"), ("not a Parquet file", "copy it again")),
    Mistake("pointer.parquet", raw(POINTER), ("pointer of Git LFS",)),
    Mistake("none.parquet", parquet(size=[], label=[]), ("has no rows",)),
    # which column is what
    Mistake(
        "which.csv",
        columns(size=N, kind=AB),
        ("which column holds the label", "size, kind", "`label: kind`", "--label"),
    ),
    Mistake("both.csv", columns(target=AB, y=AB, size=N), ("several: target, y", "label: y")),
    Mistake(
        "gone.csv",
        text(GOOD),
        ("no column labell", "did you mean label"),
        Reading(label="labell"),
    ),
    Mistake("ignore.csv", text(GOOD), ("no column id (ignore)",), Reading(ignore=("id",))),
    Mistake("keys.csv", text(GOOD), ("label is the label already",), Reading("label", "label")),
    Mistake("pics.csv", text(GOOD), ("image_size", "folder"), Reading(image_size=(8, 8))),
    # labels
    Mistake("one.csv", columns(size=N, label=["a"] * 20), ("one class, a", "needs two")),
    Mistake(
        "lone.csv",
        columns(size=N, label=[*AB[:19], "c"]),
        ("class c has 1 training row", "Add rows"),
    ),
    Mistake(
        "price.csv",
        columns(size=N, label=[0.37 + i for i in N]),
        ("row 1, column label", "0.37", "regression"),
    ),
    Mistake(
        "cents.csv",
        columns(size=list(range(300)), label=[37 * i % 997 for i in range(300)]),
        ("300 different numbers", "regression"),
    ),
    Mistake(
        "ids.csv",
        columns(size=list(range(60)), label=[f"u{i}" for i in range(60)]),
        ("60 of 60 different labels occur once", "an id"),
    ),
    Mistake(
        "unlabelled.csv",
        columns(size=N, label=[*AB[:18], "", ""]),
        ("2 rows have no label", "row 19", "missing: drop"),
    ),
    Mistake(
        "imputed.csv",
        columns(size=N, label=[*AB[:19], ""]),
        ("1 row has no label", "row 20"),
        Reading(missing="impute"),
    ),
    Mistake(
        "mixture.csv",
        columns(size=N, label=[0, 1] * 9 + [0, "one"]),
        ("row 20, column label", "'one' among numbers"),
    ),
    Mistake(
        "huge.csv",
        columns(size=N, label=["1e30", "2e30"] * 10),
        ("row 1, column label", "too large"),
    ),
    Mistake(
        "new.csv",
        columns(size=N, label=[*AB[:18], "c", "c"], split=["train"] * 18 + ["test"] * 2),
        ("label c occurs in test rows only",),
    ),
    Mistake(
        "dates.parquet",
        parquet(size=N, label=np.array(["2020-01-01", "2021-01-01"] * 10, "datetime64[s]")),
        ("column label", "dates", "2020-01-01"),
    ),
    # the split
    Mistake(
        "valid.csv",
        columns(size=N, label=AB, split=["train"] * 18 + ["validation"] * 2),
        ("row 19, column split", "'validation'", "cut from the training rows"),
    ),
    Mistake(
        "parted.csv",
        columns(size=N, label=AB, split=["left"] * 20),
        ("row 1, column split", "'left'", "ignore: [split]"),
    ),
    Mistake(
        "untrained.csv", columns(size=N, label=AB, split=["test"] * 20), ("no row is a training",)
    ),
    # values
    Mistake(
        "holes.csv",
        columns(size=[*N[:18], "", "NA"], town=[*AB[:19], ""], label=AB),
        ("2 in size, 1 in town", "row 19, column size", "missing: impute", "missing: drop"),
    ),
    Mistake(
        "all.csv",
        columns(size=[""] * 20, label=AB),
        ("every row", "ignore"),
        Reading(missing="drop"),
    ),
    Mistake(
        "mixed.csv",
        columns(size=[*N[:16], "much", "17", "18", "more"], label=AB),
        ("row 17, column size", "'much' among numbers", "1 more row", "ignore: [size]"),
    ),
    Mistake(
        "words.csv",
        columns(size=[*AB[:19], "7"], label=AB),
        ("row 20, column size", "'7' among words"),
    ),
    Mistake(
        "when.csv",
        columns(day=[f"2024-01-{i + 1:02}" for i in N], size=N, label=AB),
        ("column day", "dates", "'2024-01-01'", "ignore: [day]"),
    ),
    Mistake(
        "endless.csv",
        columns(size=[*N[:19], "inf"], label=AB),
        ("row 20, column size", "infinite"),
    ),
    Mistake(
        "vast.csv", columns(size=[*N[:19], "1e300"], label=AB), ("row 20", "beyond what 32 bits")
    ),
    Mistake(
        "names.csv",
        columns(name=[f"n{i}" for i in N], size=N, label=AB),
        ("column name", "20 different words in 20 rows", "an id", "ignore: [name]"),
    ),
    Mistake(
        "towns.csv",
        columns(town=[f"t{i % 250}" for i in range(500)], label=AB * 25),
        ("250 different words", "more than 200 categories", "ignore: [town]"),
    ),
    Mistake(
        "several.csv",
        columns(name=[f"n{i}" for i in N], ticket=[f"t{i}" for i in N], size=N, label=AB),
        ("column name", "Nor can ticket be used as it is", "ignore: [name, ticket]"),
    ),
    Mistake(
        "prose.csv",
        columns(said=[f"this is a sentence number {i}" for i in N], label=AB),
        ("column said", "text: said"),
    ),
    Mistake(
        "constant.csv",
        columns(size=[1] * 20, town=["x"] * 20, label=AB),
        ("no column is left", "constant"),
    ),
    Mistake(
        "lists.parquet", parquet(size=[[1, 2]] * 20, label=AB), ("row 1, column size", "lists")
    ),
    Mistake(
        "silent.csv",
        columns(text=["…", "!"] * 10, label=AB),
        ("column text", "hold no words"),
    ),
    Mistake(
        "wordless.csv",
        columns(text=[*(["good one", "bad one"] * 9), "", " "], label=AB),
        ("2 rows have no text", "row 19", "missing: drop"),
    ),
    # arrays
    Mistake("empty.npz", raw(b""), ("empty.npz is empty",)),
    Mistake("cut.npz", raw(b"PK\x03\x04 cut"), ("not an .npz file, or is cut short",)),
    Mistake("pointer.npz", raw(POINTER), ("pointer of Git LFS",)),
    Mistake("keys.npz", arrays(a=X, b=Y), ("has a, b", "x and y are needed")),
    Mistake("half.npz", arrays(x_train=X, y_test=Y), ("lacks y_train and x_test",)),
    Mistake("objects.npz", objects(x=[[1, 2]] * 20, y=[0, 1] * 10), ("never unpickled",)),
    Mistake("lengths.npz", arrays(x=X, y=Y[:19]), ("20 rows", "19 labels")),
    Mistake("flat.npz", arrays(x=X[:, 0], y=Y), ("one number, not a row", "reshape(-1, 1)")),
    Mistake("first.npz", arrays(x=np.ones((20, 3, 8, 8)), y=Y), ("channels last", "moveaxis")),
    Mistake("deep.npz", arrays(x=np.ones((20, 2, 2, 2, 2)), y=Y), ("shape", "images 3")),
    Mistake("words.npz", arrays(x=np.full((20, 2), "a"), y=Y), ("must be numbers",)),
    Mistake("hot.npz", arrays(x=X, y=np.eye(2)[Y]), ("argmax(axis=1)",)),
    Mistake("third.npz", arrays(x=X, y=Y / 3), ("y[1]", "0.333333", "regression")),
    Mistake(
        "nan.npz",
        arrays(x=np.where(X == 33, np.nan, X), y=Y),
        ("1 of the train features is NaN", "row 11"),
    ),
    Mistake("rowless.npz", arrays(x=X[:0], y=Y[:0]), ("no rows",)),
    Mistake("called.npz", arrays(x=X, y=Y + 1, class_names=["a", "b"]), ("label 2", "0 to 1")),
    Mistake(
        "shapes.npz",
        arrays(x_train=X, y_train=Y, x_test=X[:, :2], y_test=Y),
        ("shape (3,)", "x_test (2,)"),
    ),
    Mistake("same.npz", arrays(x=np.ones((20, 3)), y=Y), ("every column of x is constant",)),
    Mistake("labelled.npz", arrays(x=X, y=Y), ("`label` is for a table",), Reading(label="y")),
    # folders
    Mistake("nothing", lambda path: path.mkdir(), ("nothing: holds no folders", "one folder a")),
    Mistake("loose", pictures("1.png", "2.png"), ("2 pictures, but no folders",)),
    Mistake("void", both(pictures(*TWO), beside("c/notes.txt", b"x")), ("holds no picture", "c")),
    Mistake("nested", pictures(*TWO, "a/deep/3.png"), ("holds the folder deep",)),
    Mistake("broken", both(pictures(*TWO), beside("b/3.png", b"no")), ("3.png is not a picture",)),
    Mistake("pointers", both(pictures(*TWO), beside("a/3.png", POINTER)), ("3.png", "Git LFS")),
    Mistake(
        "sizes",
        both(pictures(*TWO), pictures("b/3.png", size=(8, 6))),
        ("2 sizes", "4×4 (4), 6×8 (1)", "image_size: [4, 4]", "--image-size 4x4"),
    ),
    Mistake("single", pictures("a/1.png", "a/2.png"), ("one class, a",)),
    Mistake("few", pictures("a/1.png", "a/2.png", "b/1.png"), ("class b has 1 training row",)),
    Mistake(
        "validated",
        pictures("train/a/1.png", "train/b/1.png", "val/a/1.png"),
        ("holds val beside train", "cut from the"),
    ),
    Mistake(
        "strange",
        pictures(*(f"train/{one}" for one in TWO), "test/c/1.png"),
        ("label c occurs in test rows only",),
    ),
    Mistake("asked", pictures(*TWO), ("`missing` is for a table",), Reading(missing="drop")),
    # what is not read at all
    Mistake("sheet.xlsx", raw(b"PK"), (".xlsx is not read", "CSV UTF-8")),
    Mistake("model.pkl", raw(b"\x80"), (".pkl is not read", "never read")),
    Mistake("data", text("1,2\n"), ("without an ending",)),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_mistake_is_answered_by_a_clear_line(
    case: Mistake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    case.write(tmp_path / case.name)
    with pytest.raises(DataError) as caught:
        load(find(case.name, tmp_path, None), case.reading, "mine")
    said = str(caught.value)
    for word in (case.name, *case.words):
        assert word in said
    assert 1 <= len(said.splitlines()) <= 2
    assert str(tmp_path) not in said, "a path as the user sees it"


def test_the_good_file_that_they_are_made_of_is_taken(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text(GOOD)
    found = load(tmp_path / "good.csv", Reading(), "good")
    assert (found.x_train.shape, found.class_names) == ((20, 1), ("a", "b"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wine", "no data set is called wine"),
        ("fasion", "did you mean fashion?"),
        ("wino.csv", "did you mean wine.csv?"),
        ("data/wine.csv", "there is no file or folder data/wine.csv"),
        ("x" * 300 + ".csv", "there is no file or folder"),
        ("a\0b", "a"),
    ],
)
def test_a_path_that_leads_nowhere(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "wine.csv").write_text(GOOD)
    with pytest.raises(DataError, match="Known by name: digits") as caught:
        find(name, tmp_path, None)
    assert words in str(caught.value)


# Whatever stands in a file, the answer is a data set or a DataError: no traceback, no warning.

CELLS = st.one_of(
    st.sampled_from(
        ["", "NA", "1", "0.5", "true", "a", "?", "inf", "1e400", "2020-01-01", "train", "test"]
    ),
    st.sampled_from(['"', ";", "é", "\u2028", "\r", "\x0c", "1,5", "1_000", "0x10", "٣", "½"]),
    st.text(max_size=3),
)
READINGS = st.builds(
    Reading,
    label=st.sampled_from([None, "y"]),
    text=st.sampled_from([None, "t"]),
    missing=st.sampled_from(["refuse", "impute", "drop"]),
    ignore=st.sampled_from([(), ("a",)]),
)
DTYPES = st.sampled_from("f4 f8 f2 i1 u1 i8 u8 u2 ? U2 S2 c8 M8[s]".split())
ARRAYS = DTYPES.flatmap(
    lambda name: hn.arrays(np.dtype(name), hn.array_shapes(min_dims=0, max_dims=5, min_side=0))
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whatever") / "x"


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), min_size=4, max_size=9),
    separator=st.sampled_from(",;\t"),
    reading=READINGS,
)
def test_any_cells(
    file: Path, rows: list[tuple[str, ...]], separator: str, reading: Reading
) -> None:
    lines = [separator.join(cells) for cells in [("a", "t", "split", "y"), *rows]]
    table = file.with_suffix(".csv")
    table.write_bytes("\n".join(lines).encode("utf-8", "replace"))
    with suppress(DataError):
        load(table, reading, "x")


@settings(max_examples=60, deadline=None)
@given(x=ARRAYS, y=ARRAYS)
def test_any_arrays(file: Path, x: Any, y: Any) -> None:
    with file.with_suffix(".npz").open("wb") as handle:
        np.savez(handle, x=x, y=y)
    with suppress(DataError):
        load(file.with_suffix(".npz"), Reading(), "x")
