"""`tuner predict`: a user's files become rows as in training, and every row gets its answer.

The models are made without training: of weights that a few lines of numpy work out, by the child
process that writes an exported model.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from inside import errand, tuner
from PIL import Image
from stubs import environment

from tuner.cli import run
from tuner.commands.predict import Answer, _standard_input
from tuner.data.builtin import load_digits
from tuner.data.dataset import Dataset
from tuner.data.inputs import Inputs, Wanted, read_inputs
from tuner.data.prepared import Prepared, prepare
from tuner.data.reviews import from_parquet
from tuner.data.words import multi_hot, words_of
from tuner.errors import DataError, UsageError
from tuner.exported import ExportedModel, sidecar_of, vocabulary_of
from tuner.parameters import complete
from tuner.tracking.registry import ALIAS, URI, check_names
from tuner.training.export import border_mean, count_hits
from tuner.trial import SplitSpec, TrialSpec
from tuner.workspace import Workspace

DIGITS = Wanted("image", (8, 8), "|u1", 16.0, edge=0.17)
CLOTHES = Wanted("image", (28, 28), "|u1", 255.0, edge=0.05)
COLOURS = Wanted("image", (4, 6, 3), "|u1", 255.0)
TABLE = Wanted("table", (3,), "<f4", 1.0)
TEXTS = Wanted("text", (4,), "|u1", 1.0, vocabulary=("good", "bad", "don't", "été"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def only(inputs: Inputs) -> Any:
    assert inputs.rows == (None,)
    return inputs.x[0]


# --- pictures ---------------------------------------------------------------------------------


def test_a_picture_of_the_right_size_is_taken_as_it_is(here: Path) -> None:
    pixels = np.arange(28 * 28, dtype=np.uint32).reshape(28, 28).astype(np.uint8)
    Image.fromarray(pixels).save("a.png")
    found = read_inputs("a.png", replace(CLOTHES, edge=None))
    assert found.notes == ()
    assert (found.x.dtype, found.x.shape) == (np.uint8, (1, 28, 28))
    np.testing.assert_array_equal(only(found), pixels)
    inverted = read_inputs("a.png", replace(CLOTHES, edge=None), invert=True)
    np.testing.assert_array_equal(only(inverted), 255 - pixels)


def test_a_picture_gets_the_range_of_the_training_rows(here: Path) -> None:
    pixels = np.linspace(0, 255, 64).astype(np.uint8).reshape(8, 8)
    Image.fromarray(pixels).save("a.png")
    found = only(read_inputs("a.png", replace(DIGITS, edge=None)))
    assert (found.min(), found.max()) == (0, 16)
    np.testing.assert_array_equal(found, np.rint(pixels / 255 * 16))


def test_what_is_done_to_a_picture_is_said(here: Path) -> None:
    dark = np.zeros((40, 60), np.uint8)
    dark[10:30, 15:45] = 255
    Image.fromarray(dark).save("large.png")
    found = read_inputs("large.png", CLOTHES)
    assert found.notes == ("large.png: resized from 60×40 to 28×28.",)
    assert only(found)[14, 14] == 255
    Image.fromarray(255 - dark).save("light.png")
    _, note = read_inputs("light.png", CLOTHES).notes
    assert "its border is light, while that of the training pictures is dark; --invert" in note
    assert len(read_inputs("light.png", CLOTHES, invert=True).notes) == 1
    _, other = read_inputs("large.png", replace(CLOTHES, edge=0.9)).notes
    assert "its border is dark" in other
    clear = np.zeros((28, 28, 4), np.uint8)
    clear[..., :3] = 255  # white, but wholly transparent
    Image.fromarray(clear).save("clear.png")
    found = read_inputs("clear.png", CLOTHES)
    assert found.notes == ("clear.png: transparent parts are taken for black.",)
    assert only(found).max() == 0


def test_colours_and_depths(here: Path) -> None:
    red = np.zeros((4, 6, 3), np.uint8)
    red[..., 0] = 200
    Image.fromarray(red).save("red.png")
    np.testing.assert_array_equal(only(read_inputs("red.png", COLOURS)), red)
    grey = only(read_inputs("red.png", replace(COLOURS, shape=(4, 6))))
    assert set(np.unique(grey)) == {60}  # 299 parts of 1,000 of the red, as ITU-R 601 has it
    deep = (np.arange(64, dtype=np.uint16) * 1040).reshape(8, 8)
    Image.fromarray(deep).save("deep.png")
    found = only(read_inputs("deep.png", replace(DIGITS, edge=None)))
    assert (found.min(), found.max(), int(np.median(found))) == (0, 16, 8)
    assert read_inputs("deep.png", replace(DIGITS, edge=None)).notes == ()
    Image.fromarray(np.full((28, 28), 90, np.uint8)).save("a.JPG", "JPEG")
    assert abs(int(only(read_inputs("a.JPG", CLOTHES)).mean()) - 90) <= 1


@pytest.mark.parametrize(
    ("pixels", "value", "note"),
    [
        (np.full((28, 28), 3000, np.uint16), 11, "its brightest value is 3000, where white is"),
        (np.full((28, 28), 40_000, np.uint16), 155, None),
        (np.full((28, 28), 0.5, np.float32), 127, None),
        (np.full((28, 28), 600.0, np.float32), 255, "go from 600 to 600; 600 is taken for white"),
        (np.full((28, 28), 100_000, np.int32), 255, "100000 is taken for white"),
    ],
)
def test_deep_greys_are_not_stretched_in_silence(
    here: Path, pixels: Any, value: int, note: str | None
) -> None:
    Image.fromarray(pixels).save("a.tif")
    found = read_inputs("a.tif", replace(CLOTHES, edge=None))
    assert set(np.unique(found.x)) == {value}
    assert len(found.notes) == (note is not None)
    assert note is None or note in found.notes[0]


def test_a_turned_photograph_is_turned_back(here: Path) -> None:
    upright = np.zeros((28, 28), np.uint8)
    upright[:5] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    Image.fromarray(np.rot90(upright)).save("p.jpg", exif=exif, quality=100)
    found = only(read_inputs("p.jpg", replace(CLOTHES, edge=None)))
    assert found[:4].min() > 200
    assert found[8:].max() < 50


# --- arrays and tables ------------------------------------------------------------------------


@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(2, 5), st.just(3), st.just(2))),
    st.sampled_from(["grid", "flat", "channel", "float", "int64"]),
)
@settings(max_examples=60, deadline=None)
def test_arrays_come_through_unchanged(
    tmp_path_factory: pytest.TempPathFactory, x: Any, form: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "a.npy"
    made = {
        "grid": x,
        "flat": x.reshape(len(x), -1),
        "channel": x[..., None],
        "float": x.astype(np.float64),
        "int64": x.astype(np.int64),
    }[form]
    np.save(file, made)
    wanted = Wanted("image", (3, 2), "|u1", 255.0)
    found = read_inputs(str(file), wanted)
    assert (found.x.dtype, found.rows) == (np.uint8, tuple(range(len(x))))
    np.testing.assert_array_equal(found.x, x)
    np.save(file, made[0])
    np.testing.assert_array_equal(only(read_inputs(str(file), wanted)), x[0])


def test_one_array_of_several_is_named(here: Path) -> None:
    x = load_digits().x_test
    assert x is not None
    np.savez("z.npz", x_test=x[:3], y_test=np.arange(3))
    assert read_inputs("z.npz:x_test", DIGITS).x.shape == (3, 8, 8)
    np.savez("one.npz", whatever=x[:2])
    np.savez("x.npz", x=x[:2], y=np.arange(2))
    for file in ("one.npz", "x.npz"):
        np.testing.assert_array_equal(read_inputs(file, DIGITS).x, x[:2])


def test_tables_of_pixels_and_of_numbers(here: Path) -> None:
    from sklearn.datasets import load_digits as original

    frame = original(as_frame=True).frame.head(5)
    frame.to_csv("rows.csv", index=False)
    found = read_inputs("rows.csv", DIGITS)
    assert found.notes == ("rows.csv: target is left out.",)
    assert found.rows == (0, 1, 2, 3, 4)
    np.testing.assert_array_equal(found.x, original().images[:5].astype(np.uint8))
    bare = frame.drop(columns="target").astype(int)
    bare.to_csv("bare.csv", index=False, header=False)
    without_names = read_inputs("bare.csv", DIGITS)
    np.testing.assert_array_equal(without_names.x, found.x)
    assert "its first line is taken for a row" in without_names.notes[0]
    for form in ("%.18e", "%.1f", "%g"):  # the first is what numpy.savetxt does by itself
        np.savetxt("plain.csv", bare.to_numpy(float), delimiter=",", fmt=form)
        plain = read_inputs("plain.csv", DIGITS)
        np.testing.assert_array_equal(plain.x, found.x)
        assert plain.rows == (0, 1, 2, 3, 4)
    pd.DataFrame(bare.to_numpy()).to_csv("counted.csv", index=False)  # columns called 0, 1, 2 …
    counted = read_inputs("counted.csv", DIGITS)
    np.testing.assert_array_equal(counted.x, found.x)
    assert counted.notes == ()
    Path("one.csv").write_text(",".join(["0.0"] * 64) + "\n")
    assert read_inputs("one.csv", DIGITS).x.shape == (1, 8, 8)
    frame.to_parquet("rows.parquet")
    np.testing.assert_array_equal(read_inputs("rows.parquet", DIGITS).x, found.x)
    Path("t.csv").write_text("a,b,y\n1,2.5,3\n-4,5,6\n")
    np.testing.assert_array_equal(read_inputs("t.csv", TABLE).x, [[1, 2.5, 3], [-4, 5, 6]])


# --- texts ------------------------------------------------------------------------------------


def test_texts_are_cut_as_in_training(here: Path) -> None:
    text = "GOOD <br /> film! I don’t know, été_bad"
    rows = multi_hot([words_of(text)], 1, TEXTS.vocabulary or ())
    assert rows.sum() == 4
    Path("a.txt").write_text(f"\ufeff{text}", encoding="utf-8")
    Path("a.csv").write_text(f'id,text\n1,"{text}"\n2,"bad, bad"\n', encoding="utf-8")
    np.testing.assert_array_equal(read_inputs("a.txt", TEXTS).x, rows)
    np.testing.assert_array_equal(read_inputs("-", TEXTS, text=text).x, rows)
    np.testing.assert_array_equal(read_inputs("a.csv", TEXTS).x, [rows[0], [0, 1, 0, 0]])
    np.save("a.npy", rows)
    np.testing.assert_array_equal(read_inputs("a.npy", TEXTS).x, rows)


def test_a_text_of_unknown_words_is_said_to_be_one(here: Path) -> None:
    (note,) = read_inputs("-", TEXTS, text="xyzzy").notes
    assert note.startswith("standard input: it holds none of the 4 words")
    Path("a.csv").write_text("text\ngood\nnothing\n", encoding="utf-8")
    (note,) = read_inputs("a.csv", TEXTS).notes
    assert "1 of 2 texts hold none" in note


# --- what is refused --------------------------------------------------------------------------


def write_everything(folder: Path) -> None:
    """Files of every kind, none of which fits."""
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    (folder / "torn.npy").write_bytes(b"\x93NUMPY")
    (folder / "torn.npz").write_bytes(b"PK\x03\x04 no more")
    (folder / "torn.parquet").write_bytes(b"PAR1")
    (folder / "torn.txt").write_bytes(b"\xff\xfe\x00caf\xe9")
    (folder / "empty.csv").write_text("a,b,c\n")
    (folder / "words.csv").write_text("a,b,c\n1,2,blue\n")
    (folder / "narrow.csv").write_text("a,b\n1,2\n")
    (folder / "gap.csv").write_text("a,b,c\n1,,3\n")
    (folder / "number.csv").write_text("text\n7\n")
    (folder / "folder").mkdir()
    np.save(folder / "shape.npy", np.zeros((3, 28, 28), np.uint8))
    np.save(folder / "part.npy", np.linspace(0, 1, 64).reshape(8, 8))
    np.save(folder / "half.npy", np.full((8, 8), 2.5))
    np.save(folder / "below.npy", np.full((8, 8), -1))
    np.save(folder / "nan.npy", np.full((8, 8), np.nan))
    np.save(folder / "none.npy", np.zeros((0, 8, 8), np.uint8))
    np.save(folder / "objects.npy", np.array([None, 1], dtype=object), allow_pickle=True)
    np.save(folder / "texts.npy", np.full((8, 8), "a"))
    np.savez(folder / "two.npz", a=np.zeros((8, 8)), b=np.zeros((8, 8)))
    np.savez(folder / "zero.npz")


@pytest.mark.parametrize(
    ("file", "wanted", "said"),
    [
        ("gone.png", DIGITS, "gone.png: there is no such file"),
        ("folder", DIGITS, "is a folder: name the files"),
        ("torn.txt", DIGITS, "cannot read .txt"),
        ("torn.png", TEXTS, "a model that takes texts cannot read .png"),
        ("torn.png", TABLE, "rows of 3 columns cannot read .png"),
        ("-", DIGITS, "standard input is read as text"),
        ("torn.png", DIGITS, "is not a picture, or is damaged"),
        ("torn.npy", DIGITS, "cannot be read as arrays"),
        ("torn.npz", DIGITS, "cannot be read as arrays"),
        ("torn.parquet", DIGITS, "cannot be read as a table"),
        ("torn.txt", TEXTS, "cannot be read as UTF-8"),
        ("empty.csv", TABLE, "has no rows"),
        ("words.csv", TABLE, "c does not hold numbers"),
        ("narrow.csv", TABLE, "has 2 columns of numbers, but this model takes 3"),
        ("gap.csv", TABLE, "missing, NaN or infinite"),
        ("narrow.csv", TEXTS, "has no column text; it has a, b"),
        ("number.csv", TEXTS, "something else than texts"),
        ("shape.npy", DIGITS, "(3, 28, 28), but this model takes images of 8×8 pixels: (8, 8)"),
        ("part.npy", DIGITS, "Multiply them by 16: the model scales by itself"),
        ("half.npy", DIGITS, "Round them if that is meant"),
        ("below.npy", DIGITS, "holds values from -1 to -1, but this model takes 0 to 255"),
        ("nan.npy", DIGITS, "missing, NaN or infinite"),
        ("none.npy", DIGITS, "has no rows"),
        ("objects.npy", DIGITS, "cannot be read as arrays (Object arrays cannot"),
        ("texts.npy", DIGITS, "but this model takes numbers"),
        ("two.npz", DIGITS, "Say which one, as in two.npz:a"),
        ("two.npz:c", DIGITS, "has no array c: a, b"),
        ("zero.npz", DIGITS, "holds several arrays: none"),
        ("shape.npy", replace(COLOURS, shape=(4, 6, 5)), "images of 4×6×5"),
        ("torn.png", replace(COLOURS, shape=(4, 6, 5)), "5 channels, which no picture file has"),
    ],
)
def test_what_does_not_fit_is_refused(file: str, wanted: Wanted, said: str, here: Path) -> None:
    write_everything(here)
    with pytest.raises(DataError) as caught:
        read_inputs(file, wanted, text="")
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


def test_values_beyond_the_training_rows_are_noted(here: Path) -> None:
    np.save("bright.npy", np.full((8, 8), 200, np.uint8))
    (note,) = read_inputs("bright.npy", DIGITS).notes
    assert "values reach 200, but those of the training pictures only 16" in note


# --- small things -----------------------------------------------------------------------------


def test_hits_are_counted_as_in_training() -> None:
    two = np.array([[0.5, 0.5], [0.4, 0.6], [0.9, 0.1]])
    assert count_hits(two, np.array([0, 1, 0])) == 3
    assert count_hits(two, np.array([1, 0, 1])) == 0
    three = np.array([[0.4, 0.4, 0.2], [0.1, 0.2, 0.7]])
    assert count_hits(three, np.array([0, 2])) == 2
    assert count_hits(three, np.array([1, 2])) == 1


def test_the_border_of_pictures() -> None:
    images = np.ones((2, 4, 5))
    images[:, 1:-1, 1:-1] = 0
    assert border_mean(images) == 1.0
    assert border_mean(1 - images) == 0.0


def test_names_of_the_registry() -> None:
    for good in (("digits", ALIAS), ("my clothes", "a-b_2"), ("x", "version2")):
        check_names(*good)
    for bad in (("a/b", ALIAS), ("a:b", ALIAS), (" ", ALIAS), ("a", ""), ("a", "2"), ("a", "V1")):
        with pytest.raises(UsageError):
            check_names(*bad)
    for uri in ("models:/a@champion", "models:/my clothes/3"):
        assert URI.fullmatch(uri)
    for uri in ("models:/a", "models:/a/latest", "models://a@b", "models:/a@b/3"):
        assert not URI.fullmatch(uri)


def test_a_row_has_a_name() -> None:
    assert Answer("a.png", None, ()).name == "a.png"
    assert Answer("a.csv", 3, ()).name == "a.csv #3"
    assert Answer("-", None, ()).name == "standard input"


# --- real models ------------------------------------------------------------------------------


def made_model(folder: Path, data: Dataset, name: str, weights: list[Any]) -> Prepared:
    """An exported softmax regression with these weights."""
    workspace = Workspace(folder).create()
    prepared = prepare(data, workspace.data)
    spec = TrialSpec(
        attempt="u:0",
        study="s",
        origin=4,
        data=str(prepared.path),
        fingerprint=prepared.fingerprint,
        model="mlp",
        params=complete({"depth": 0}),
        split=SplitSpec(),
        seed=0,
        epochs=1,
        epoch="best",
        targets=(),
    )
    np.savez(folder / "weights.npz", *weights)
    file = folder / f"{name}.keras"
    asked = {"spec": spec.to_json(), "weights": str(folder / "weights.npz"), "out": str(file)}
    written = errand("tuner.training.export:write_model", asked, workspace.logs)
    import hashlib

    described = ExportedModel(
        study="s",
        trial=4,
        variant=None,
        dataset=data.name,
        kind=data.kind,
        class_names=data.class_names,
        input_shape=prepared.input_shape,
        dtype=prepared.dtypes["x_train"],
        scale=data.scale,
        fingerprint=prepared.fingerprint,
        epoch=1,
        metrics={"val_accuracy": 0.9},
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        vocabulary=vocabulary_of(file).name if data.vocabulary else None,
        edge=written["edge"],
    )
    sidecar_of(file).write_text(json.dumps(described.to_json()), encoding="utf-8")
    if data.vocabulary is not None:
        vocabulary_of(file).write_text(json.dumps(data.vocabulary), encoding="utf-8")
    return prepared


def nearest_mean() -> list[Any]:
    """Weights by which the most probable class of a digit is that of the nearest class mean."""
    data = load_digits()
    x = data.x_train.reshape(-1, 64) / data.scale
    means = np.stack([x[data.y_train == digit].mean(axis=0) for digit in range(10)])
    return [(2 * means.T).astype(np.float32), -(means**2).sum(axis=1).astype(np.float32)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of digits and one of reviews, and files to ask them about."""
    import pandas as pd

    folder = tmp_path_factory.mktemp("models")
    data = load_digits()
    made_model(folder, data, "digits", nearest_mean())
    texts = ["a good film", "good good", "a bad film", "bad"] * 3
    table = {"text": texts, "label": [1, 1, 0, 0] * 3, "split": ["train"] * 8 + ["test"] * 4}
    pd.DataFrame(table).to_parquet(folder / "imdb.parquet")
    reviews = from_parquet(folder / "imdb.parquet", size=4)
    assert reviews.vocabulary is not None
    speaks = {"good": 2.0, "bad": -2.0}
    kernel = np.array([[speaks.get(word, 0.0)] for word in reviews.vocabulary], np.float32)
    made_model(folder, reviews, "reviews", [kernel, np.zeros(1, np.float32)])
    assert data.x_test is not None
    np.save(folder / "test.npy", data.x_test)
    np.save(folder / "labels.npy", data.y_test)
    Image.fromarray((data.x_test[0] / 16 * 255).astype(np.uint8)).save(folder / "first.png")
    (folder / "a.txt").write_text("Such a GOOD film!", encoding="utf-8")
    (folder / "b.csv").write_text('text\n"bad, bad"\ngood\n', encoding="utf-8")
    return folder


def expected() -> Any:
    """Probabilities of the model of digits, worked out here (360, 10)."""
    data = load_digits()
    assert data.x_test is not None
    kernel, bias = nearest_mean()
    logits = data.x_test.reshape(-1, 64) / data.scale @ kernel.astype(np.float64) + bias
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.slow
def test_every_row_is_answered_as_the_model_has_it(models: Path) -> None:
    out, err = tuner(models, "predict", "digits.keras", "test.npy", "first.png", "--format", "json")
    found = json.loads(out)
    assert err == ""
    assert (found["study"], found["trial"], found["notes"]) == ("s", 4, [])
    shares = expected()
    rows = found["rows"]
    assert len(rows) == 361
    for number, (row, share) in enumerate(zip(rows[:-1], shares, strict=True)):
        order = np.argsort(-share, kind="stable")
        assert (row["input"], row["row"]) == ("test.npy", number)
        assert row["label"] == str(order[0])
        assert [c["label"] for c in row["classes"]] == [str(order[0]), str(order[1])]
        assert row["confidence"] == pytest.approx(share[order[0]], abs=1e-5)
    assert (rows[-1]["row"], rows[-1]["label"]) == (None, rows[0]["label"])
    labels = np.load(models / "labels.npy")
    hits = np.mean([int(row["label"]) == label for row, label in zip(rows, labels, strict=False)])
    assert hits > 0.85


@pytest.mark.slow
def test_tables_for_people_and_for_spreadsheets(models: Path) -> None:
    out, _ = tuner(models, "predict", "digits.keras", "test.npy", "--top", "20")
    assert "and 320 more" in out
    assert "360 images by trial 4 of s: " in " ".join(out.split())
    assert out.splitlines()[-1] == "Next: tuner predict digits.keras test.npy --format csv"
    assert all(len(line) <= 100 for line in out.splitlines())
    out, _ = tuner(models, "predict", "digits.keras", "test.npy", "--format", "csv", "--top", "20")
    table = list(csv.DictReader(io.StringIO(out)))
    assert len(table) == 360
    assert list(table[0])[:6] == ["input", "row", "label", "confidence", "label_2", "confidence_2"]
    total = sum(
        float(table[0][f"confidence{end}"]) for end in ["", *(f"_{n}" for n in range(2, 11))]
    )
    assert total == pytest.approx(1.0, abs=1e-5)


@pytest.mark.slow
def test_texts_from_files_tables_and_standard_input(models: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tuner", "predict", "reviews.keras", "a.txt", "b.csv", "-"],
        cwd=models,
        env=environment(),
        input="What a bad, BAD thing",
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()[2:6]]
    assert [line[0] for line in lines] == ["a.txt", "b.csv", "b.csv", "standard"]
    words = [next(w for w in line if w in ("positive", "negative")) for line in lines]
    assert words == ["positive", "negative", "positive", "negative"]
    assert " 0.881 " in done.stdout  # 1 / (1 + exp(-2)), and the runner-up has the rest
    assert "0.119" in done.stdout


def test_standard_input_is_utf8_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def given(content: bytes) -> str:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="ascii"))
        return _standard_input()

    assert given("\ufeffcafé\n".encode()) == "café\n"
    with pytest.raises(DataError, match="standard input is not UTF-8"):
        given("café".encode("latin-1"))


@pytest.mark.slow
def test_what_is_wrong_with_a_model_is_said(models: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(models, folder, ignore=shutil.ignore_patterns(".tuner"))
    vocabulary_of(folder / "reviews.keras").unlink()
    _, err = tuner(folder, "predict", "reviews.keras", "a.txt", code=1)
    assert "reviews.vocabulary.json cannot be read" in err
    shutil.copy(folder / "digits.json", folder / "reviews.json")
    _, err = tuner(folder, "predict", "reviews.keras", "test.npy", code=1)
    assert "reviews.keras has changed since it was exported" in err
    assert "The two do not belong together" in err
    (folder / "digits.keras").write_bytes(b"torn")
    _, err = tuner(folder, "predict", "digits.keras", "test.npy", code=1)
    assert "is not a model that Keras can load" in err
    _, err = tuner(folder, "predict", "digits.keras", "first.png", "gone.png", code=1)
    assert err.endswith("tuner: gone.png: there is no such file.\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["m.h5", "a.png"], 2, "m.h5: a model is a .keras file"),
        (["gone.keras", "a.png"], 1, "there is no model gone.keras.\nThere are: m.keras."),
        (["m.keras", "a.png"], 1, "m.json is missing"),
        (["n.keras", "a.png"], 1, "n.json does not describe a model"),
        (["models:/m", "a.png"], 2, "write models:/NAME@ALIAS"),
        (["m.keras"], 2, "Missing argument"),
        (["m.keras", "a.png", "--top", "0"], 2, "--top"),
    ],
)
def test_what_is_no_model_is_refused_at_once(
    words: list[str], code: int, said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "m.keras").touch()
    if words[0] == "n.keras":
        (here / "n.keras").touch()
        (here / "n.json").write_text('{"schema": 99}', encoding="utf-8")
    assert run(["predict", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert "bug" not in err


@pytest.mark.slow
def test_asking_an_empty_registry_makes_no_store(here: Path) -> None:
    _, err = tuner(here, "predict", "models:/digits@champion", "a.png", code=1)
    assert "models:/digits@champion is not in the registry of" in err
    assert "tuner export STUDY --register NAME" in err
    assert not (here / "mlflow.db").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``noload`` loader")
def test_a_registered_model_answers_as_its_file_does(models: Path) -> None:
    prepared = Prepared.open(next(p for p in (models / ".tuner" / "data").iterdir() if is_text(p)))
    asked = {
        "folder": str(models),
        "model": str(models / "reviews.keras"),
        "card": "# s, trial 4",
        "name": "reviews",
        "alias": ALIAS,
        "data": str(prepared.path),
        "run_id": None,
        "study_uid": "0123456789ab",
    }
    found = errand("tuner.tracking.registry:register", asked, models / "logs")
    assert (found["version"], found["address"]) == (1, str(models / "mlflow.db"))
    words = ["a.txt", "b.csv", "--format", "json"]
    answers = [
        json.loads(tuner(models, "predict", model, *words)[0])["rows"]
        for model in ("reviews.keras", f"models:/reviews@{ALIAS}", "models:/reviews/1")
    ]
    assert answers[0] == answers[1] == answers[2]
    _, err = tuner(models, "predict", "models:/reviews@best", "a.txt", code=1)
    assert "models:/reviews@best is not in the registry" in err
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{models}/mlflow.db")
    (experiment,) = [e for e in client.search_experiments() if e.name == "s models"]
    (run_of_it,) = client.search_runs([experiment.experiment_id])
    assert (run_of_it.info.run_id, run_of_it.info.status) == (found["run_id"], "FINISHED")
    assert os.listdir(models / "mlruns")  # noqa: PTH208


def is_text(folder: Path) -> bool:
    return (folder / "vocabulary.json").exists()
