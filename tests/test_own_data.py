"""Data of one's own: what is inferred of files and folders, and what is fitted on which rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.data import registry
from tuner.data.dataset import Dataset, Standard, fingerprint
from tuner.data.encoding import encode_table, feature_names, moments
from tuner.data.equal_rows import equal_rows
from tuner.data.obtain import obtain
from tuner.data.own import load
from tuner.data.prepared import Prepared, prepare
from tuner.data.tables import read_table
from tuner.definition import identity, parse
from tuner.errors import DataError, DefinitionError
from tuner.exported import ExportedModel
from tuner.reading import NAMED, Reading, file_name, name_of, options_of

# How it is said


@pytest.mark.parametrize(
    ("reading", "raw", "options"),
    [
        (Reading(), {}, ""),
        (Reading(label="kind"), {"label": "kind"}, "--label kind"),
        (Reading(image_size=(32, 48)), {"image_size": [32, 48]}, "--image-size 32x48"),
        (
            Reading(text="said", words=9, ignore=("a", "b")),
            {"text": "said", "words": 9, "ignore": ["a", "b"]},
            "--text said --words 9 --ignore a --ignore b",
        ),
        (
            Reading(missing="drop", colour="grey"),
            {"missing": "drop", "colour": "grey"},
            "--missing drop --colour grey",
        ),
    ],
)
def test_a_reading_is_what_differs_from_the_defaults(
    reading: Reading, raw: dict[str, Any], options: str
) -> None:
    assert reading.to_json() == raw
    assert Reading.from_json(json.loads(json.dumps({**raw, "dataset": "x.csv"}))) == reading
    assert " ".join(options_of(reading)) == options


def test_the_names_of_data_sets_are_those_of_the_registry() -> None:
    assert registry.names() == NAMED


@pytest.mark.parametrize(
    ("dataset", "name", "file"),
    [
        ("digits", "digits", "digits"),
        ("data/wine.csv", "wine", "wine"),
        ("flowers/", "flowers", "flowers"),
        ("a\\b\\my scans.npz", "my scans", "my-scans"),
        ("photos.2024", "photos.2024", "photos.2024"),
        ("über/größe.parquet", "größe", "größe"),
        (".", ".", "data"),
    ],
)
def test_names_of_paths(dataset: str, name: str, file: str) -> None:
    assert (name_of(dataset), file_name(name_of(dataset))) == (name, file)


BODY = "targets: [val >= 90%]\nspace: {l2: [0, 1]}\n"


def test_a_sweep_file_says_how_its_data_is_read() -> None:
    keys = "dataset: a/b.csv\nlabel: kind\nmissing: impute\nimage_size: [8, 9]\nignore: [id]\n"
    made = parse(keys + BODY, "own.yaml", "own")
    wanted = Reading(label="kind", missing="impute", image_size=(8, 9), ignore=("id",))
    assert (made.reading, made.data_name) == (wanted, "b")
    assert parse(json.dumps(made.to_json()), "own.yaml", "own") == made
    plain = parse(f"dataset: a/b.csv\n{BODY}", "own.yaml", "own")
    assert identity(made, "f") == identity(plain, "f"), "the fingerprint says what came of it"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("dataset: digits\nlabel: y\n", "line 2, label: is for data of your own, and digits"),
        ("dataset: a.csv\nlabel: y\nignore: [y]\n", "line 3, ignore: y is the label column"),
        ("dataset: a.csv\nimage_size: 32\n", "must be a height and a width in pixels"),
        ("dataset: a.csv\nimage_size: [0, 3]\n", "such as [32, 32]"),
        ("dataset: a.csv\nmissing: no\n", "must be refuse, impute or drop"),
        ("dataset: a.csv\nwords: 0\n", "a whole number from 1 to 100000"),
        ("dataset: a.csv\ncolor: grey\n", "write `colour`"),
    ],
)
def test_mistakes_in_a_sweep_file(lines: str, words: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse(lines + BODY, "own.yaml", "own")
    assert words in str(caught.value)


# Tables


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


TABLE = """\
age,town,member,label,split
20,Bern,true,no,train
40,Oslo,false,yes,train
60,Bern,true,no,train
80,Rome,false,yes,train
1000,Paris,true,yes,test
"""


def test_a_table_is_fitted_on_its_training_rows(tmp_path: Path) -> None:
    data = load(write(tmp_path / "shop.csv", TABLE), Reading(), "shop")
    assert (data.kind, data.class_names, data.scale) == ("table", ("no", "yes"), 1.0)
    assert data.encoder is not None
    assert feature_names(data.encoder) == ["age", "town=Bern", "town=Oslo", "town=Rome", "member"]
    wanted = [[20, 1, 0, 0, 1], [40, 0, 1, 0, 0], [60, 1, 0, 0, 1], [80, 0, 0, 1, 0]]
    assert data.x_train.tolist() == wanted
    assert data.x_train.dtype == np.float32
    assert data.y_train.tolist() == [0, 1, 0, 1]
    assert data.x_test is not None
    assert data.x_test.tolist() == [[1000, 0, 0, 0, 1]], "Paris is none of the categories"
    assert any("1 test rows have a value of town" in remark for remark in data.remarks)
    ages = np.array([20.0, 40, 60, 80])
    assert data.standard == Standard(
        (ages.mean(), 0, 0, 0, 0.5), (pytest.approx(ages.std()), 1, 1, 1, 0.5)
    )
    assert data.account is not None
    assert data.account["test"] == "column split"


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
@pytest.mark.parametrize("spread", [",", ";"])
def test_the_same_table_in_other_files_is_the_same_data(
    tmp_path: Path, ending: str, spread: str
) -> None:
    import pandas as pd

    frame = pd.DataFrame(
        {"a": [1.5, -2.0, 3.25, 4.0], "b": [True, False, False, True], "y": ["u", "v", "u", "v"]}
    )
    file = tmp_path / f"x.{ending}"
    if ending == "parquet":
        frame.to_parquet(file)
    elif ending == "tsv":
        frame.to_csv(file, sep="\t", index=False)
    else:
        frame.to_csv(file, sep=spread, decimal="," if spread == ";" else ".", index=spread == ",")
    data = load(file, Reading(), "x")
    assert data.x_train.tolist() == [[1.5, 1], [-2, 0], [3.25, 0], [4, 1]]
    assert data.class_names == ("u", "v")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["10", "9", "10", "9"], ("9", "10")),
        (["1.0", "0.0", "1.0", "0.0"], ("0", "1")),
        (["-1", "1", "-1", "1"], ("-1", "1")),
        (["True", "false", "true", "False"], ("false", "true")),
        (["b", "a", " b", "a "], ("a", "b")),
        (["5000000000", "7", "5000000000", "7"], ("7", "5000000000")),
    ],
)
def test_classes_come_in_their_order(
    tmp_path: Path, labels: list[str], names: tuple[str, str]
) -> None:
    lines = [f"{n},{label}" for n, label in enumerate(labels)]
    data = load(write(tmp_path / "x.csv", "\n".join(["n,y", *lines])), Reading(), "x")
    assert data.class_names == names
    assert data.y_train.dtype == np.uint8
    assert len(set(data.y_train[::2])) == len(set(data.y_train[1::2])) == 1


HOLES = """\
n,town,flag,label
1,Bern,true,a
,Oslo,,b
3,,true,a
8,Bern,false,b
5,Oslo,true,a
4,Bern,false,b
"""


def test_missing_values_are_imputed_or_their_rows_left_out(tmp_path: Path) -> None:
    file = write(tmp_path / "x.csv", HOLES)
    with pytest.raises(DataError, match=r"1 in n, 1 in town, 1 in flag"):
        load(file, Reading(), "x")
    filled = load(file, Reading(missing="impute"), "x")
    assert filled.encoder is not None
    assert feature_names(filled.encoder) == [
        "n",
        "town=Bern",
        "town=Oslo",
        "town=(missing)",
        "flag",
    ]
    assert filled.x_train[1:3].tolist() == [[4, 0, 1, 0, 1], [3, 0, 0, 1, 1]]
    dropped = load(file, Reading(missing="drop"), "x")
    assert dropped.x_train.tolist() == [[1, 1, 0, 1], [8, 1, 0, 0], [5, 0, 1, 1], [4, 1, 0, 0]]
    assert any("2 of 6 rows are left out" in remark for remark in dropped.remarks)
    assert dropped.account is not None
    assert (dropped.account["dropped"], dropped.account["missing"]["town"]) == (2, 1)


def test_a_median_is_that_of_the_training_rows(tmp_path: Path) -> None:
    rows = "1,a,train\n3,b,train\n,a,train\n5,b,train\n900,a,test\n,b,test\n"
    file = write(tmp_path / "x.csv", f"n,label,split\n{rows}")
    data = load(file, Reading(missing="impute"), "x")
    assert data.x_train[:, 0].tolist() == [1, 3, 3, 5]
    assert data.x_test is not None
    assert data.x_test[:, 0].tolist() == [900, 3]


def test_what_tells_nothing_is_left_out(tmp_path: Path) -> None:
    text = ",one,void,n,label\n0,7,,1,a\n1,7,,2,b\n2,7,,3,a\n3,7,,4,b\n"
    data = load(write(tmp_path / "x.csv", text), Reading(missing="impute"), "x")
    assert data.encoder is not None
    assert feature_names(data.encoder) == ["n"]
    assert data.account is not None
    assert data.account["left"] == {"": "counts the rows", "one": "constant", "void": "empty"}
    for word in ("counts the rows", "one is constant", "void is empty"):
        assert any(word in remark for remark in data.remarks)


def test_columns_that_look_odd_are_taken_with_a_remark(tmp_path: Path) -> None:
    lines = [f"{n + 7},{1.7e9 + n % 3},{n % 5},{'ab'[n % 2]}" for n in range(20)]
    text = "\n".join(["id,seen,size,label", *lines])
    data = load(write(tmp_path / "x.csv", text), Reading(), "x")
    said = [remark for remark in data.remarks if "labels are" not in remark]
    assert [remark.split()[0] for remark in said] == ["id", "seen"]
    assert "`ignore: [id]`" in said[0]
    assert "subtract that before" in said[1]


def test_texts_are_read_as_words_of_the_training_rows(tmp_path: Path) -> None:
    rows = ["good film,1,good,train", "bad film,2,bad,train", "good plot,3,good,train"]
    rows += ["bad plot,4,bad,train", "unheard of,5,bad,test"]
    file = write(tmp_path / "x.csv", "\n".join(["text,id,label,split", *rows]))
    data = load(file, Reading(), "x")
    assert data.kind == "text"
    assert data.vocabulary is not None
    assert set(data.vocabulary) == {"good", "bad", "film", "plot"}
    assert data.texts == {
        "train": ["good film", "bad film", "good plot", "bad plot"],
        "test": ["unheard of"],
    }
    assert data.x_test is not None
    assert data.x_test.sum() == 0
    assert any("1 test text holds none of the 4 words" in remark for remark in data.remarks)
    assert any("id is left out" in remark for remark in data.remarks)
    fewer = load(file, Reading(words=2), "x")
    assert fewer.vocabulary == ("bad", "film")
    again = load(file, Reading(text="id", ignore=("text",)), "x")
    assert again.vocabulary == ("1", "2", "3", "4")


# Arrays


def packed(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


X, Y = np.arange(24.0).reshape(8, 3), np.arange(8) % 2


@pytest.mark.parametrize(
    "keys", [("x", "y"), ("X", "Y"), ("X", "y"), ("images", "labels"), ("data", "target")]
)
def test_arrays_by_their_usual_names(tmp_path: Path, keys: tuple[str, str]) -> None:
    data = load(packed(tmp_path / "x.npz", **dict(zip(keys, (X, Y), strict=True))), Reading(), "x")
    assert (data.kind, data.x_train.dtype, data.x_test) == ("table", np.float32, None)
    assert data.standard is not None
    assert data.standard.mean == tuple(X.mean(axis=0))


def test_arrays_with_a_test_split_names_and_more(tmp_path: Path) -> None:
    file = packed(
        tmp_path / "x.npz",
        x_train=X,
        y_train=np.array(["no", "yes"])[Y],
        x_test=1000 * X[:2].astype(np.int64),
        y_test=np.array(["yes", "no"]),
        class_names=np.array(["yes", "no"]),
        weights=X,
    )
    data = load(file, Reading(), "x")
    assert data.class_names == ("yes", "no")
    assert data.y_train.tolist() == [1, 0] * 4
    assert data.y_test is not None
    assert data.y_test.tolist() == [0, 1]
    assert data.standard is not None
    assert max(data.standard.mean) == X[:, 2].mean(), "never of test rows"
    assert any("weights" in remark for remark in data.remarks)


@pytest.mark.parametrize(
    ("images", "dtype", "scale"),
    [
        (np.full((4, 2, 2), 255, np.uint8), np.uint8, 255),
        (np.full((4, 2, 2, 3), 250, np.int64), np.uint8, 255),
        (np.full((4, 2, 2), 60_000, np.uint16), np.uint16, 65_535),
        (np.full((4, 2, 2), 0.9), np.float32, 1),
        (np.full((4, 2, 2), 16.0), np.float32, 16),
        (np.full((4, 2, 2), -0.5), np.float32, 1),
        (np.full((4, 2, 2), True), np.uint8, 1),
    ],
)
def test_what_white_is(tmp_path: Path, images: Any, dtype: Any, scale: float) -> None:
    data = load(packed(tmp_path / "x.npz", x=images, y=[0, 1, 0, 1]), Reading(), "x")
    assert (data.kind, data.x_train.dtype, data.scale) == ("image", dtype, scale)
    assert data.standard is None


# Folders of pictures


def picture(path: Path, value: Any, size: tuple[int, int] = (3, 2), mode: str = "L") -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    for label in ("2", "10"):
        for n in range(2):
            picture(tmp_path / "p" / "train" / label / f"{n}.png", int(label) * 10 + n)
        picture(tmp_path / "p" / "test" / label / "0.bmp", 7)
    (tmp_path / "p" / "train" / "2" / "notes.txt").write_text("x")
    (tmp_path / "p" / "train" / "2" / ".hidden").write_text("x")
    data = load(tmp_path / "p", Reading(), "p")
    assert (data.kind, data.scale, data.class_names) == ("image", 255.0, ("2", "10"))
    assert (data.x_train.shape, data.x_train.dtype) == ((4, 2, 3), np.uint8)
    wanted = dict(zip([100, 101, 20, 21], [1, 1, 0, 0], strict=True))
    found = zip(data.x_train[:, 0, 0].tolist(), data.y_train.tolist(), strict=True)
    assert dict(found) == wanted
    assert data.x_test is not None
    assert len(data.x_test) == 2
    assert any("1 .txt" in remark for remark in data.remarks)


def test_colours_sizes_and_depths(tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "p"
    for label in "ab":
        picture(folder / label / "grey.png", 100)
        picture(folder / label / "equal.png", (100, 100, 100), mode="RGB")
    assert load(folder, Reading(), "p").x_train.shape == (4, 2, 3), "all of them are grey"
    assert load(folder, Reading(colour="rgb"), "p").x_train.shape == (4, 2, 3, 3)
    picture(folder / "a" / "red.png", (200, 0, 0), mode="RGB")
    assert load(folder, Reading(), "p").x_train.shape == (5, 2, 3, 3)
    assert load(folder, Reading(colour="grey"), "p").x_train.shape == (5, 2, 3)
    deep = Image.fromarray(np.full((2, 3), 65_535, np.uint16))
    deep.save(folder / "b" / "deep.png")
    clear = Image.new("RGBA", (3, 2), (255, 255, 255, 0))
    clear.save(folder / "b" / "clear.png")
    turned = Image.new("L", (2, 3), 50)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(folder / "b" / "turned.jpg", exif=exif, quality=100)
    data = load(folder, Reading(colour="grey"), "p")
    assert data.x_train.shape == (8, 2, 3), "a picture is as high as EXIF says"
    values = {int(row[0, 0]) for row in data.x_train}
    assert {100, 255, 0, 50} <= values, "16 bits as 8, transparent as black"
    assert any("transparent" in remark for remark in data.remarks)
    picture(folder / "a" / "large.png", 9, size=(30, 20))
    resized = load(folder, Reading(colour="grey", image_size=(4, 6)), "p")
    assert resized.x_train.shape == (9, 4, 6)
    assert any("9 of 9 pictures are resized to 4×6" in remark for remark in resized.remarks)


# Prepared once


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return write(tmp_path / "here" / "shop.csv", TABLE)


def test_it_is_prepared_once_and_again_when_it_changes(shop: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def get(reading: Reading | None = None) -> Prepared:
        return obtain(str(shop), None, tmp_path / "data", said.append, reading)

    first = get()
    assert (first.name, first.source) == ("shop", f"shop.csv in {shop.parent}")
    assert get() == first
    assert len(said) == 1
    assert get(Reading(ignore=("town",))).fingerprint != first.fingerprint
    shop.write_text(TABLE.replace("Rome", "Oslo"), encoding="utf-8")
    assert get().fingerprint != first.fingerprint
    assert len(said) == 3
    copy = write(shop.with_name("other.csv"), TABLE)
    again = obtain(str(copy), None, tmp_path / "data", said.append)
    assert (again.name, again.fingerprint) == ("other", first.fingerprint)


def test_what_was_fitted_is_kept(shop: Path, tmp_path: Path) -> None:
    data = load(shop, Reading(), "shop")
    kept = Prepared.open(prepare(data, tmp_path / "data").path)
    for part in ("standard", "encoder", "remarks", "account"):
        assert getattr(kept, part) == getattr(data, part)
        assert getattr(kept, part)


def test_a_relative_path_is_looked_up_here_and_then_in_the_data_directory(
    shop: Path, tmp_path: Path
) -> None:
    where = {"data_dir": shop.parent, "folder": tmp_path / "data", "base": tmp_path}
    assert obtain("shop.csv", **where).source.endswith("here")  # type: ignore[arg-type]
    write(tmp_path / "shop.csv", TABLE.replace("80", "81"))
    found = obtain("shop.csv", **where)  # type: ignore[arg-type]
    assert found.source == f"shop.csv in {tmp_path}"


def test_the_bytes_of_pictures_count(tmp_path: Path) -> None:
    for label in "ab":
        for n in range(2):
            picture(tmp_path / "p" / label / f"{n}.png", n)
    first = obtain(str(tmp_path / "p"), None, tmp_path / "data")
    picture(tmp_path / "p" / "a" / "1.png", 9)
    second = obtain(str(tmp_path / "p"), None, tmp_path / "data")
    assert first.fingerprint != second.fingerprint


def test_class_names_and_columns_are_part_of_the_content(tmp_path: Path) -> None:
    files = {
        "a": "n,y\n1,u\n2,v\n3,u\n4,v\n",
        "b": "n,y\n1,u\n2,w\n3,u\n4,w\n",
        "c": "m,y\n1,u\n2,v\n3,u\n4,v\n",
    }
    marks = {
        fingerprint(load(write(tmp_path / f"{name}.csv", text), Reading(), name))
        for name, text in files.items()
    }
    assert len(marks) == 3


def test_the_fingerprint_of_a_named_data_set_never_changes() -> None:
    data = registry.load("digits", None)
    assert (data.standard, data.encoder, data.remarks, data.account) == (None, None, (), None)
    assert fingerprint(data) == "847d7052333f54a6"


# Rows that are there twice


def test_equal_rows_are_counted(tmp_path: Path) -> None:
    x = np.arange(40.0).reshape(20, 2)
    y = np.arange(20) % 2
    x[1], x[2], x[3] = x[0], x[0], x[0]  # labels 1, 0, 1 beside 0
    data = prepare(
        load(
            packed(
                tmp_path / "x.npz",
                x_train=x,
                y_train=y,
                x_test=x[[0, 5]] + [[0], [1]],
                y_test=[0, 1],
            ),
            Reading(),
            "x",
        ),
        tmp_path / "data",
    )
    found = equal_rows(data)
    assert (found.training, found.test, found.conflicting) == (3, 1, 4)
    assert found.validation is not None
    assert 0 <= found.validation <= 4


# Rows that a model is asked about


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Path]:
    file = tmp_path_factory.mktemp("encoded") / "x.csv"
    return load(write(file, HOLES), Reading(missing="impute"), "x"), file


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(["n", "town", "flag", "label"]), rows=st.permutations(range(6)))
def test_rows_are_encoded_as_in_training_whatever_their_order(
    encoded: tuple[Dataset, Path], order: list[str], rows: list[int]
) -> None:
    data, file = encoded
    assert data.encoder is not None
    frame = read_table(file).frame[order].iloc[rows].reset_index(drop=True)
    x, notes = encode_table(frame, data.encoder, "x.csv")
    assert x.tolist() == data.x_train[rows].tolist()
    assert all("imputed as in training" in note for note in notes)


def test_what_cannot_be_encoded_is_refused_with_its_place(encoded: tuple[Dataset, Path]) -> None:
    import pandas as pd

    data, _ = encoded
    assert data.encoder is not None
    whole = {"n": [1, 2], "town": ["Bern", "Rome"], "flag": [True, False]}
    x, notes = encode_table(pd.DataFrame({**whole, "more": [1, 2]}), data.encoder, "f.csv")
    assert x.tolist() == [[1, 1, 0, 0, 1], [2, 0, 0, 0, 0]]
    assert notes[0] == "f.csv: the column more is left out."
    assert "1 value of town not among the categories" in notes[1]
    for changes, words in [
        ({"n": ["1", "two"]}, "row #1, column n: holds 'two' among numbers"),
        ({"n": ["one", "two"]}, "row #0, column n: holds 'one', but the model was trained on num"),
        ({"flag": [1, 2]}, "row #1, column flag: holds 2"),
    ]:
        with pytest.raises(DataError, match=r"f\.csv") as caught:
            encode_table(pd.DataFrame({**whole, **changes}), data.encoder, "f.csv")
        assert words in str(caught.value)
    with pytest.raises(DataError, match="lacks the columns n, flag"):
        encode_table(pd.DataFrame({"town": ["Bern"]}), data.encoder, "f.csv")
    strict = {**data.encoder, "missing": "refuse"}
    with pytest.raises(DataError, match=r"1 in n, first in row #1, column n"):
        encode_table(pd.DataFrame({**whole, "n": [1, None]}), strict, "f.csv")


def test_an_older_export_has_no_encoder() -> None:
    whole = ExportedModel(
        "s", 1, None, "digits", "image", ("a", "b"), (8, 8), "|u1", 16.0, "f", 3, {}, "00"
    ).to_json()
    del whole["encoder"]
    assert ExportedModel.from_json(whole).encoder is None
    with pytest.raises(ValueError, match="encoder"):
        ExportedModel.from_json({**whole, "encoder": "table"})
    del whole["kind"]
    with pytest.raises(KeyError, match="kind"):
        ExportedModel.from_json(whole)


@given(
    st.lists(
        st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3), min_size=1, max_size=20
    )
)
def test_moments_standardise(rows: list[list[float]]) -> None:
    x = np.array(rows, np.float32)
    mean, deviation = moments(x)
    z = (x.astype(np.float64) - mean) / deviation
    assert np.isfinite(z).all()
    assert (deviation > 0).all()
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-6)
    spread = z.std(axis=0)
    assert ((np.abs(spread - 1) < 1e-6) | (np.ptp(x, axis=0) == 0)).all()
