"""`tuner data`: the list, one data set of each kind, single rows, pictures, and mistakes."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from tuner import reading
from tuner.cli import cli, run
from tuner.data import registry, summary
from tuner.data.dataset import Dataset
from tuner.data.keras_fetch import KERAS_FILES
from tuner.data.prepared import Prepared, prepare
from tuner.data.splits import split
from tuner.data.summary import (
    class_rows,
    columns_of,
    first_of_each_class,
    smoothing_of,
    value_range,
    words_in,
)
from tuner.errors import UsageError
from tuner.report.data_rows import MOST, image_lines, parse_rows
from tuner.report.data_view import DataPage, balance_text, contents_json, contents_of
from tuner.trial import SplitSpec

FOUND = {"digits", "mnist", "fashion", "imdb"}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    if "data_dir" not in request.fixturenames:
        monkeypatch.delenv("TUNER_DATA_DIR", raising=False)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command line prints on stdout; it succeeds."""
    code = run(["data", *arguments])
    out, err = capsys.readouterr()
    assert code == 0, err
    return out


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(printed(capsys, *arguments, "--format", "json"))


def made(kind: str, x: Any, y: Any, classes: tuple[str, ...], **more: Any) -> Dataset:
    """A data set whose test rows are those of training."""
    whole = {"x_test": x, "y_test": y, "scale": 1.0, "vocabulary": None, **more}
    return Dataset(
        name="made",
        x_train=x,
        y_train=y,
        class_names=classes,
        kind=kind,  # type: ignore[arg-type]
        description="made up",
        source="a test",
        **whole,
    )


WORDS = ("the", "film", "dull", "lovely", "[bold]")


def texts() -> Dataset:
    """Twelve reviews: `dull` only in bad ones, `lovely` only in good ones, `the` in all."""
    x = np.zeros((12, 5), dtype=np.uint8)
    y = np.array([0, 1] * 6, dtype=np.uint8)
    x[:, 0] = 1
    x[:6, 1] = 1
    x[[0, 2, 4], 2] = 1
    x[[1, 3, 5, 7], 3] = 1
    x[0, 4] = 1
    return made("text", x, y, ("bad", "good"), vocabulary=WORDS)


def table() -> Dataset:
    x = np.arange(40 * 12, dtype=np.float64).reshape(40, 12)
    return made("table", x, np.arange(40) % 4, ("a", "b", "c", "d"), scale=2.0)


def named(monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> None:
    """Let the registry know it."""
    entry = registry.Entry(dataset.description, dataset.source, lambda _: dataset)
    monkeypatch.setitem(registry.ENTRIES, dataset.name, entry)
    monkeypatch.setattr(reading, "NAMED", (*reading.NAMED, dataset.name))


def prepared(dataset: Dataset, folder: Path) -> Prepared:
    folder.mkdir(exist_ok=True)
    return prepare(dataset, folder)


# The list


def test_the_list_has_every_name_and_where_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = tmp_path / "files"
    (tmp_path / "keras" / "datasets" / "fashion-mnist").mkdir(parents=True)
    files.mkdir()
    (files / "mnist.npz").touch()
    found = read(capsys, "--data-dir", str(files))
    assert found["schema"] == 1
    assert found["data_dir"] == str(files)
    where = {row["name"]: row["where"] for row in found["datasets"]}
    # A folder alone is what a download that failed leaves behind.
    assert where == {
        "digits": "package",
        "mnist": "data directory",
        "fashion": "download",
        "imdb": "download",
    }
    assert [row["at_hand"] for row in found["datasets"]] == [True, True, False, False]
    assert found["datasets"][1]["file"] == str(files / "mnist.npz")
    text = printed(capsys, "--data-dir", str(files))
    assert "2 of them at hand" in text
    assert "Keras would download fashion and imdb" in text
    assert text.endswith("Next: tuner data digits\n")


def test_what_keras_has_is_at_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, files in KERAS_FILES.items():
        for file in files:
            assert {r["name"]: r["where"] for r in read(capsys)["datasets"]}[name] == "download"
            path = tmp_path / "keras" / "datasets" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        assert {r["name"]: r["where"] for r in read(capsys)["datasets"]}[name] == "keras cache"
    assert "4 data sets, all of them at hand." in printed(capsys)
    assert not (tmp_path / ".tuner").exists()


def test_every_name_has_its_files_in_kerass_cache() -> None:
    assert set(KERAS_FILES) == {n for n, e in registry.ENTRIES.items() if e.file}


def test_the_list_is_in_order_and_fits_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = printed(capsys).splitlines()
    assert [name for name, *_ in registry.describe()] == ["digits", "mnist", "fashion", "imdb"]
    for row, (name, description, _) in enumerate(registry.describe()):
        assert lines[2 * row].split() == [name, *description.split()]
    assert max(map(len, lines)) <= 80


def test_the_list_as_csv(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "--format", "csv"))))
    assert {row["name"] for row in rows} == FOUND
    assert rows[0]["description"] == registry.ENTRIES["digits"].description


# One data set


def test_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = read(capsys, "digits")
    whole = registry.load("digits", None)
    assert (found["schema"], found["kind"], found["dtype"]) == (1, "image", "uint8")
    assert found["shapes"]["x_train"] == [1437, 8, 8]
    assert found["range"] == [0, 16]
    assert found["bytes"] == sum(array.nbytes for array in whole.arrays().values())
    assert found["rows"] == {"training": 1437, "train": 1149, "validation": 288, "test": 360}
    sides = [whole.y_train[rows] for rows in split(whole.y_train, SplitSpec())]
    for row in found["classes"]:
        label = row["label"]
        counts = [int((y == label).sum()) for y in (whole.y_train, *sides, whole.y_test)]
        assert [row[s] for s in ("training", "train", "validation", "test")] == counts
        assert row["test_share"] == pytest.approx(counts[3] / 360, abs=1e-6)
    assert found["balanced"] is True
    assert found["picture"] == "digits-examples.png"
    assert (tmp_path / "digits-examples.png").read_bytes().startswith(b"\x89PNG")
    assert found["fingerprint"] in entries(tmp_path / ".tuner" / "data")


def test_digits_as_a_page(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = printed(capsys, "digits")
    for words in (
        "1,437 × 8 × 8 uint8",
        "0 to 16; the model divides them by 16",
        "142  9.9 %    113  9.8 %   29 10.1 %   36 10.0 %",
        "1,437  100 %",
        "train (80 %) and validation (20 %)",
        "Balanced: the classes have from 9.7 % to 10.2 %",
        "the picture is in \ndigits-examples.png.",
    ):
        assert words in text
    assert text.endswith("Next: tuner sweep digits\n")
    assert max(map(len, text.splitlines())) <= 80


def test_a_narrow_terminal_drops_the_shares_before_the_names(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    lines = printed(capsys, "digits", "--no-picture").splitlines()
    assert next(line.split() for line in lines if line.startswith("3")) == [
        *("3", "3", "146", "117", "29", "37")
    ]


def test_digits_as_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "digits", "--format", "csv"))))
    assert [row["training"] for row in rows[:3]] == ["142", "145", "142"]
    assert (tmp_path / "digits-examples.png").exists()


@pytest.mark.parametrize("arguments", [[], ["--index", "3"]])
def test_no_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    found = read(capsys, "digits", "--no-picture", *arguments)
    assert found["picture"] is None
    assert entries(tmp_path) == [".tuner"]


def test_the_picture_goes_where_it_is_told_and_the_rest_to_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["data", "digits", "--out", "some/where.SVG", "--format", "json"]
    assert run(asked) == 2
    assert "there is no folder some." in capsys.readouterr().err
    (tmp_path / "some").mkdir()
    assert run(asked) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["picture"] == "some/where.SVG"
    assert err == "The picture is in some/where.SVG.\n"
    first = (tmp_path / "some" / "where.SVG").read_bytes()
    assert first.startswith(b"<?xml")
    assert run(["data", "digits", "--out", "some/where.SVG"]) == 0
    assert (tmp_path / "some" / "where.SVG").read_bytes() == first
    assert entries(tmp_path / "some") == ["where.SVG"]


# Rows


def test_rows_and_their_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = registry.load("digits", None).y_train
    found = read(capsys, "digits", "--index", "5, 20,789,0-2,20")
    assert [row["index"] for row in found["rows"]] == [5, 20, 789, 0, 1, 2]
    assert [row["label"] for row in found["rows"]] == [
        int(labels[i]) for i in (5, 20, 789, 0, 1, 2)
    ]
    assert found["split"] == "train"
    assert found["picture"] == "digits-index.png"
    assert (tmp_path / "digits-index.png").exists()
    text = printed(capsys, "digits", "--index", "5,789")
    assert f"#5 {labels[5]}" in text
    assert f"#789 {labels[789]}" in text
    assert "█" in text
    assert "2 training rows of digits; the picture is in digits-index.png." in text


def test_rows_of_the_test_split(capsys: pytest.CaptureFixture[str]) -> None:
    whole = registry.load("digits", None)
    assert whole.y_test is not None
    found = read(capsys, "digits", "--index", "0-9", "--split", "test", "--no-picture")
    assert found["split"] == "test"
    assert [row["label"] for row in found["rows"]] == whole.y_test[:10].tolist()
    # Number 1400 is a training row only.
    assert run(["data", "digits", "--index", "1400", "--split", "test"]) == 2
    assert "no test row 1400; they go from 0 to 359" in capsys.readouterr().err


def test_many_rows_are_listed_without_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "digits", "--index", "0-49", "--no-picture")
    assert "█" not in text
    assert sum(line.lstrip().startswith("#") for line in text.splitlines()) == 50


PARSED = [
    ("5", (5,)),
    ("5,20,789,4567", (5, 20, 789, 4567)),
    ("0-3", (0, 1, 2, 3)),
    (" 7 , 3 - 4 ", (7, 3, 4)),
    ("9,9,8-9", (9, 8)),
    ("4-4", (4,)),
    ("0-99", tuple(range(100))),
    ("007", (7,)),
]


@pytest.mark.parametrize(("text", "numbers"), PARSED)
def test_row_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_rows(text) == numbers


NOT_PARSED = [
    ("", "nothing is no row number"),
    ("5,", "nothing is no row number"),
    ("-1", "-1 is no row number"),
    ("a", "a is no row number"),
    ("1.5", "1.5 is no row number"),
    ("1:5", "0-9"),
    ("1-2-3", "1-2-3 is no"),
    ("٣", "is no row number"),
    ("9-2", "write the range as 2-9"),
    ("0-100", f"at most {MOST}"),
    ("0-999999999999", f"at most {MOST}"),
    ("0-59,60-100", f"at most {MOST}"),
    ("9" * 5000, "has more than 15 digits"),
    ("1,0-" + "9" * 5000, "has more than 15 digits"),
    ("x" * 5000, "is no row number"),
]


@pytest.mark.parametrize(("text", "said"), NOT_PARSED)
def test_what_is_no_row_number(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_rows(text)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 500


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=50, unique=True))
def test_numbers_written_down_are_read_again(numbers: list[int]) -> None:
    assert parse_rows(",".join(map(str, numbers))) == tuple(numbers)


# Texts


def test_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    named(monkeypatch, texts())
    found = read(capsys, "made")
    assert found["words"]["vocabulary"] == 5
    assert found["words"]["in_a_row"] == {"min": 1, "mean": pytest.approx(26 / 12), "max": 4}
    bad, good = found["words"]["telling"]
    assert (bad[0]["word"], bad[0]["inside"], bad[0]["rows"]) == ("dull", 3, 3)
    assert (good[0]["word"], good[0]["inside"], good[0]["rows"]) == ("lovely", 4, 4)
    assert found["picture"] == "made-words.png"
    text = printed(capsys, "made", "--out", "w.svg")
    assert "bad   dull, [bold]" in text
    drawn = (tmp_path / "w.svg").read_text(encoding="utf-8")
    assert "lovely" in drawn
    assert "log-odds" in drawn
    # No definition is called so: one has to be made first.
    assert text.endswith("Next: tuner init made\n")


def test_rows_of_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    named(monkeypatch, texts())
    found = read(capsys, "made", "--index", "0,7")
    assert found["rows"][0] == {
        "index": 0,
        "label": 0,
        "name": "bad",
        "known_words": 4,
        "words": ["[bold]", "dull", "film", "the"],
        "text": None,  # not kept
    }
    assert found["rows"][1]["words"] == ["lovely", "the"]
    assert found["picture"] is None
    text = printed(capsys, "made", "--index", "0")
    assert "#0  bad  [bold] dull film the (4 known words)" in text
    rows = list(
        csv.DictReader(io.StringIO(printed(capsys, "made", "--index", "7", "--format", "csv")))
    )
    assert (rows[0]["known_words"], rows[0]["words"]) == ("2", "lovely the")
    assert entries(tmp_path) == [".tuner"]


def test_rows_of_texts_that_are_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ["The film is <br /><br />dull.\x1b[2J [bold]x[/bold]", *["lovely " * 80] * 11]
    named(monkeypatch, replace(texts(), texts={"train": said, "test": said[::-1]}))
    found = read(capsys, "made", "--index", "0,7")
    assert found["rows"][0]["text"] == "The film is dull.\x1b[2J [bold]x[/bold]"
    text = printed(capsys, "made", "--index", "0,7")
    assert "#0  bad   The film is dull.\N{REPLACEMENT CHARACTER}[2J [bold]x[/bold]" in text
    assert "\x1b" not in text
    assert "lovely … (2 known words)" in " ".join(text.split())
    other = read(capsys, "made", "--index", "11", "--split", "test")
    assert other["rows"][0]["text"] == found["rows"][0]["text"]


def test_the_rarest_thirty_words_of_a_long_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    vocabulary = tuple(f"w{i}" for i in range(40))
    x = np.ones((10, 40), dtype=np.uint8)
    named(monkeypatch, made("text", x, np.arange(10) % 2, ("a", "b"), vocabulary=vocabulary))
    shown = " ".join(f"w{i}" for i in range(39, 9, -1))
    assert f"{shown} … (40 known words)" in printed(capsys, "made", "--index", "3")


def test_the_words_of_a_class_are_those_of_its_definition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "BLOCK_BYTES", 7 * 30)  # several blocks, the last one shorter
    draw = np.random.default_rng(3)
    x = (draw.random((100, 30)) < 0.3).astype(np.uint8)
    y = draw.integers(0, 3, 100)
    vocabulary = tuple(f"w{i:02}" for i in range(30))
    data = prepared(made("text", x, y, ("a", "b", "c"), vocabulary=vocabulary), tmp_path / "p")
    found = words_in(data, 30)
    assert (found.least, found.most) == (x.sum(axis=1).min(), x.sum(axis=1).max())
    for label, telling in enumerate(found.telling):
        for word in telling:
            column = x[:, vocabulary.index(word.word)]
            inside = (int(column[y == label].sum()) + 1) / (int((y == label).sum()) + 2)
            outside = (int(column[y != label].sum()) + 1) / (int((y != label).sum()) + 2)
            wanted = np.log(inside / (1 - inside)) - np.log(outside / (1 - outside))
            assert word.log_odds == pytest.approx(wanted)
            assert (word.inside, word.rows) == (column[y == label].sum(), column.sum())
        odds = [word.log_odds for word in telling]
        assert odds == sorted(odds, reverse=True)


@pytest.mark.parametrize(("rows", "added"), [(1, 1), (4_999, 1), (5_000, 2), (25_000, 10)])
def test_smoothing_grows_with_the_rows(rows: int, added: int) -> None:
    assert smoothing_of(rows) == added


# Tables


def test_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    named(monkeypatch, table())
    found = read(capsys, "made")
    assert found["picture"] is None
    assert len(found["columns"]) == 10
    assert found["columns"][1] == {"index": 1, "least": 1.0, "mean": 235.0, "most": 469.0}
    text = printed(capsys, "made")
    assert "The first 10 of 12 columns." in text
    assert "40 × 12 float64, labels int64" in text
    assert run(["data", "made", "--out", "x.png"]) == 2
    assert "no picture" in capsys.readouterr().err
    assert read(capsys, "made", "--index", "1")["rows"][0]["values"] == list(range(12, 24))
    assert "12, 13, 14" in printed(capsys, "made", "--index", "1")
    assert entries(tmp_path) == [".tuner"]


# What is hard to split or one-sided


def test_a_class_too_rare_to_be_split(tmp_path: Path) -> None:
    x = np.zeros((41, 4, 4), dtype=np.uint8)
    y = np.array([0] * 40 + [1])
    data = prepared(
        made("image", x, y, ("plenty", "one", "none"), x_test=None, y_test=None), tmp_path
    )
    contents = contents_of(data)
    assert contents.totals == {"training": 41, "train": None, "validation": None, "test": None}
    found = contents_json(contents)
    assert found["classes"][1]["training"] == 1
    assert found["classes"][1]["train"] is None
    assert found["classes"][1]["validation_share"] is None
    assert found["balanced"] is False
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(DataPage(contents))
    text = console.export_text()
    assert "The default split cannot be made: label 1 has 1 training row" in text
    assert "validation" not in text.split("The default")[0]
    assert "the rarest class, none, has 0.0 %" in " ".join(text.split())


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((50, 50), "Balanced: every class has 50.0 % of the training rows."),
        ((50, 48), "Balanced: the classes have from 49.0 % to 51.0 % of the training rows."),
        (
            (90, 10),
            "the rarest class, b, has 10.0 % of the training rows, the most frequent, a, 90",
        ),
    ],
)
def test_balance(tmp_path: Path, counts: tuple[int, int], said: str) -> None:
    y = np.repeat([0, 1], counts)
    x = np.zeros((len(y), 2, 2), dtype=np.uint8)
    rows, why = class_rows(prepared(made("image", x, y, ("a", "b")), tmp_path))
    assert why == ""
    assert said in balance_text(rows)


def test_figures_are_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "BLOCK_BYTES", 100)
    x = np.arange(90, dtype=np.int16).reshape(10, 9) - 30
    assert value_range(x) == (-30, 59)
    assert isinstance(value_range(x)[0], int)
    assert [c.most for c in columns_of(x, 3)] == [51.0, 52.0, 53.0]
    y = np.array([1, 0, 1, 2, 1, 0, 1, 1, 1, 2])
    assert first_of_each_class(y, 4, 3) == [[1, 5], [0, 2, 4], [3, 9], []]


# Images in the terminal


def test_small_images_are_two_characters_a_pixel_and_large_ones_half_a_line() -> None:
    small = image_lines(np.array([[0, 16], [8, 4]]), 16.0)
    assert small == ["  ██", "▒▒░░"]
    assert image_lines(np.array([[0, 16]]), 16.0, plain=True) == ["  @@"]
    large = np.zeros((28, 28), dtype=np.uint8)
    large[0], large[1], large[26] = 255, 255, 255
    lines = image_lines(large, 255.0)
    assert (len(lines), {len(line) for line in lines}) == (14, {28})
    assert (lines[0], lines[13]) == ("█" * 28, "▒" * 28)
    assert image_lines(np.zeros((27, 28)), 1.0)[13] == " " * 28
    assert image_lines(np.full((2, 1, 3), 255), 255.0) == ["██", "██"]


def test_blocks_are_ascii_where_they_must_be(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as out:
        monkeypatch.setattr("sys.stdout", out)
        assert run(["data", "digits", "--index", "5", "--no-picture"]) == 0
    text = (tmp_path / "out").read_text(encoding="ascii")
    assert "@" in text
    assert "?" not in text


# Mistakes

MISTAKES: list[tuple[str, list[str], int, list[str]]] = [
    ("unknown", ["fashon"], 1, ["did you mean fashion?", "digits"]),
    ("a file", ["mine.csv"], 1, ["no file or folder mine.csv", "digits, mnist"]),
    ("a path", ["data/mine"], 1, ["no file or folder data/mine"]),
    ("a folder", ["here"], 1, ["holds no folders"]),
    ("rows of nothing", ["--index", "5"], 2, ["--index", "which data set"]),
    ("out of nothing", ["--out", "x.png"], 2, ["--out", "which data set"]),
    ("no number", ["digits", "--index", "5;6"], 2, ["5;6", "5,20,789"]),
    ("out of range", ["digits", "--index", "3,1437"], 2, ["row 1437", "from 0 to 1436"]),
    ("split alone", ["digits", "--split", "test"], 2, ["--index"]),
    ("no such split", ["digits", "--index", "1", "--split", "val"], 2, ["'train', 'test'"]),
    ("no picture there", ["digits", "--out", "x.jpg"], 2, ["x.jpg", ".png or .svg"]),
    ("both", ["digits", "--out", "x.png", "--no-picture"], 2, ["contradict"]),
    ("a folder to write", ["digits", "--out", "here.png"], 2, ["here.png is a folder"]),
    ("not at hand", ["mnist", "--data-dir", "."], 1, ["mnist.npz"]),
]


@pytest.mark.parametrize(
    ("arguments", "code", "words"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES]
)
def test_a_mistake_gets_a_clear_line(
    arguments: list[str],
    code: int,
    words: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_fetch(*_: Any, **__: Any) -> Any:
        from tuner.errors import DataError

        raise DataError("no network")

    monkeypatch.setattr("tuner.data.keras_sets.fetch", no_fetch)
    (tmp_path / "here").mkdir()
    (tmp_path / "here.png").mkdir()
    assert run(["data", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    for word in words:
        assert word in err
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == []


def test_the_name_is_completed() -> None:
    import click

    argument = cli.commands["data"].params[0]
    context = click.Context(cli.commands["data"])
    assert [item.value for item in argument.shell_complete(context, "f")] == ["fashion"]


# The real data


def test_fashion(
    data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = read(capsys, "fashion", "--data-dir", str(data_dir), "--no-picture")
    assert found["rows"] == {"training": 60000, "train": 48000, "validation": 12000, "test": 10000}
    assert {row["training_share"] for row in found["classes"]} == {0.1}
    assert [row["name"] for row in found["classes"]][5] == "Sandal"
    asked = ["fashion", "--data-dir", str(data_dir), "--index", "5,20,789,4567"]
    rows = read(capsys, *asked)["rows"]
    assert [row["index"] for row in rows] == [5, 20, 789, 4567]
    monkeypatch.setenv("COLUMNS", "80")
    text = printed(capsys, *asked)
    assert f"#789 {rows[2]['name']}" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.slow
def test_imdb(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = read(capsys, "imdb", "--data-dir", str(data_dir))
    assert found["picture"] == "imdb-words.png"
    assert found["rows"] == {"training": 25000, "train": 20000, "validation": 5000, "test": 25000}
    negative, positive = ({word["word"] for word in t} for t in found["words"]["telling"])
    assert {"waste", "worst", "awful"} <= negative
    assert {"wonderfully", "superb"} <= positive
    (row,) = read(capsys, "imdb", "--data-dir", str(data_dir), "--index", "3")["rows"]
    assert row["known_words"] == len(row["words"]) > 30
