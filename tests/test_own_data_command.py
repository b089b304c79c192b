"""Data of one's own by the real commands: looked at, swept, exported, and asked with raw files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuner.cli import run
from tuner.definition import load
from tuner.reading import Reading

pytestmark = pytest.mark.usefixtures("warm")

ROWS = 60
KINDS = ("shop", "said", "shapes", "points")
GIVEN = {
    "shop": ["shop.csv", "--label", "bought", "--missing", "impute", "--ignore", "id"],
    "said": ["said.parquet", "--text", "review"],
    "shapes": ["shapes", "--image-size", "4x5"],
    "points": ["points.npz"],
}


def write_all(folder: Path) -> None:
    """A table, texts, pictures and arrays whose labels are easy to tell."""
    import pandas as pd
    from PIL import Image

    rng = np.random.default_rng(0)
    yes = np.arange(ROWS) % 2
    age = np.where(yes, 60, 20) + rng.integers(0, 15, ROWS)
    town = np.where(yes, "Oslo", rng.choice(["Bern", "Rome"], ROWS)).astype(object)
    shop = pd.DataFrame({"id": range(ROWS), "age": age.astype(float), "town": town})
    shop["bought"] = np.where(yes, "yes", "no")
    shop.loc[3, "age"] = np.nan
    shop.to_csv(folder / "shop.csv", index=False)
    words = [" ".join(rng.choice(["the", "a", "film", "was"], 5)) for _ in range(ROWS)]
    review = [f"{w} {'good' if y else 'bad'}" for w, y in zip(words, yes, strict=True)]
    parts = ["train"] * 50 + ["test"] * 10
    pd.DataFrame({"review": review, "label": yes, "split": parts}).to_parquet(
        folder / "said.parquet"
    )
    for n, y in enumerate(yes):
        file = folder / "shapes" / ("light" if y else "dark") / f"{n}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        grey = rng.integers(150 * y, 100 + 150 * y, (4 + n % 2, 5), dtype=np.uint8)
        Image.fromarray(grey).save(file)
    x = np.stack([yes * 5 + rng.normal(size=ROWS), rng.normal(size=ROWS) * 1e6], axis=1)
    np.savez(folder / "points.npz", x=x, y=yes)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory of all of these tests."""
    folder = tmp_path_factory.mktemp("own")
    write_all(folder)
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(autouse=True)
def _here(place: Path) -> None:
    """Every test runs there."""


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """What a command prints as JSON."""
    assert run([*words, "--format", "json"]) in (0, 3), capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


# Looking


def test_a_table_is_shown_with_what_becomes_of_its_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["data", *GIVEN["shop"]]) == 0
    text = capsys.readouterr().out
    for words in (
        "shop.csv in",
        "column bought",
        "none: nothing is held out",
        "age number mean",
        "town 3 categories Bern, Oslo, Rome",
        "id left out ignored",
        "Imputed, because values are missing: 1 in age.",
        "Balanced",
        "Next: tuner init shop --dataset shop.csv --label bought --missing impute --ignore id",
    ):
        assert words in " ".join(text.split())
    found = printed(capsys, "data", *GIVEN["shop"])
    assert [c["name"] for c in found["columns"]] == ["age", "town", "id"]
    assert found["columns"][1]["categories"] == ["Bern", "Oslo", "Rome"]
    assert found["columns"][0]["missing"] == 1
    assert found["account"]["label"] == "bought"
    assert found["equal_rows"]["test"] is None
    assert len(found["standard"]["mean"]) == 4
    assert found["rows"]["training"] == ROWS


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("said", ["column review", "from column split", "Words that speak most", "good"]),
        ("shapes", ["4 × 5 uint8", "30 of 60 pictures are resized", "shapes-examples.png"]),
        ("points", ["arrays x, y", "standardised inside the model", "60 rows of 2 numbers"]),
    ],
)
def test_what_is_inferred_is_shown(
    capsys: pytest.CaptureFixture[str], kind: str, wanted: list[str]
) -> None:
    assert run(["data", *GIVEN[kind]]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in wanted:
        assert words in text
    assert f"Next: tuner init {kind} --dataset {GIVEN[kind][0]}" in text


def test_what_is_twice_there_is_warned_of(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{n % 20},{'ab'[n % 2]},{'train' if n < 50 else 'test'}" for n in range(60)]
    rows[1] = "0,b,train"
    (place / "twice.csv").write_text("\n".join(["n,label,split", *rows]))
    assert run(["data", "twice.csv"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "10 of the test rows are equal to a training row" in text
    assert "validation figures are flattered" in text
    assert "with another label: no model can get all of them right" in text


def test_rows_are_shown_by_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", *GIVEN["shop"], "--index", "0"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert re.search(r"#0 no age \d\d, town=(Bern|Rome) ", text)
    assert run(["data", "shapes", "--image-size", "4", "--index", "0-3", "--no-picture"]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["data", "digits", "--label", "y"], 2, "--label is for data of your own"),
        (["data", "--words", "5"], 2, "--words: say which data set"),
        (["data", "shop.csv", "--image-size", "big"], 2, "height x width, such as 32x32"),
        (["data", "shop.csv", "--image-size", "0x3"], 2, "1 to 4096 pixels"),
        (["data", "shop.csv", "--label", "bought"], 1, "values are missing: 1 in age"),
        (["data", "shop.csv"], 1, "which column holds the label"),
        (["init", "digits", "--label", "y"], 2, "--label is for data of your own"),
        (["init", "x", "--from", "digits", "--label", "y"], 2, "write `label` in the copy"),
        (["init", "x", "--dataset", "none.csv"], 2, "no file or folder none.csv"),
        (["init", "x", "--dataset", "shop.csv"], 1, "which column holds the label"),
    ],
)
def test_mistakes(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    assert run(arguments) == code
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err


# From a file to an answer


@pytest.fixture(scope="module")
def swept(place: Path) -> Path:
    """A study of each kind: two trials of two epochs."""
    for kind in KINDS:
        assert run(["init", kind, "--dataset", *GIVEN[kind], "--target", "val >= 0.6"]) == 0
        file = place / "sweeps" / f"{kind}.yaml"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("epochs: 30", "epochs: 2").replace("epochs: 10", "epochs: 2"))
    command = ["sweep", *KINDS, "--trials", "2", "--workers", "1", "--exit-zero", "-q"]
    assert run([*command, "--fix", "batch_size=8", "--fix", "learning_rate=0.01"]) == 0
    return place


@pytest.mark.slow
def test_a_sweep_file_is_written_for_what_is_there(swept: Path) -> None:
    made = load(swept / "sweeps" / "shop.yaml")
    assert made.reading == Reading(label="bought", missing="impute", ignore=("id",))
    assert (made.dataset, made.data_name) == ("shop.csv", "shop")
    said = load(swept / "sweeps" / "said.yaml")
    assert said.reading == Reading(label="label", text="review")


@pytest.mark.slow
def test_sweeps_of_all_kinds_have_figures(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in KINDS:
        found = printed(capsys, "report", kind)
        assert (found["dataset"], found["trials"]["complete"]) == (kind, 2)
        best = max(e["metrics"]["val_accuracy"] for e in (*found["meets"], *found["nearest"]))
        assert best >= 0.6, f"{kind}: its labels are easy to tell"


@pytest.mark.slow
def test_an_exported_model_takes_raw_rows(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = printed(capsys, "export", "shop", "--out", "shop.keras")
    assert made["model"]["check"]["same"]
    described = json.loads((swept / "shop.json").read_text(encoding="utf-8"))
    assert described["encoder"]["columns"][0]["median"] > 0
    (swept / "new.csv").write_text("town,more,age\nOslo,1,70\nBern,1,22\nParis,1,\n")
    found = printed(capsys, "predict", "shop.keras", "new.csv")
    assert [row["label"] for row in found["rows"]][:2] == ["yes", "no"]
    assert [note.partition(": ")[2] for note in found["notes"]] == [
        "the column more is left out.",
        "1 value of age missing, imputed as in training.",
        "1 value of town not among the categories of the training rows, read as none of them.",
    ]
    (swept / "bad.csv").write_text("town,age\nOslo,old\n")
    assert run(["predict", "shop.keras", "bad.csv"]) == 1
    assert "bad.csv, row #0, column age: holds 'old'" in capsys.readouterr().err
    assert run(["export", "shop", "--code", "shop.py"]) == 1
    assert "no script can be written for shop" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["said", "shapes"])
def test_exported_models_of_other_kinds_take_raw_files(
    swept: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert run(["export", kind, "--out", f"{kind}.keras"]) == 0
    capsys.readouterr()
    files = {
        "said": ["said.parquet"],
        "shapes": [f"shapes/{one}" for one in ("light/1.png", "dark/0.png")],
    }[kind]
    found = printed(capsys, "predict", f"{kind}.keras", *files)
    right = {
        "said": [str(n % 2) for n in range(ROWS)],
        "shapes": ["light", "dark"],
    }[kind]
    hits = [row["label"] == label for row, label in zip(found["rows"], right, strict=True)]
    assert sum(hits) >= 0.6 * len(hits)
