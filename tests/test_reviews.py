"""Texts as rows of words: words, vocabulary, the two sources of IMDB, and malformed files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.data import registry, reviews
from tuner.data.dataset import fingerprint, validate
from tuner.data.keras_fetch import _reviews
from tuner.data.obtain import obtain
from tuner.data.prepared import VOCABULARY, Prepared, prepare
from tuner.data.texts import cut, one_paragraph
from tuner.data.words import multi_hot, multi_hot_ranks, vocabulary_of, words_of
from tuner.errors import DataError

# Words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("Good film.", ["good", "film"]),
        ("It's GOOD, isn’t it?", ["it's", "good", "isn't", "it"]),
        ("one<br /><br />two", ["one", "two"]),
        ("a < b and b > c", ["a", "c"]),
        ("3 < 4", ["3", "4"]),
        ("10/10 in 1999", ["10", "10", "in", "1999"]),
        ("snake_case 'quoted' rock'n'roll", ["snake", "case", "quoted", "rock'n'roll"]),
        ("Amélie — naïve", ["amélie", "naïve"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_the_vocabulary_is_by_frequency_then_by_alphabet() -> None:
    texts = [["b", "a", "c"], ["c", "d"], ["c", "b"]]
    assert vocabulary_of(texts, 3) == ("c", "b", "a")
    assert vocabulary_of(texts, 10) == ("c", "b", "a", "d")


def test_a_row_says_whether_a_word_occurs() -> None:
    rows = multi_hot([["a", "a", "b"], [], ["c", "unknown"]], 3, ["a", "b", "c"])
    assert rows.dtype == np.uint8
    assert rows.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


@given(st.lists(st.lists(st.integers(1, 9), max_size=8), min_size=1, max_size=6))
def test_ranks_give_the_same_rows_as_words(texts: list[list[int]]) -> None:
    words = [[str(rank) for rank in text] for text in texts]
    vocabulary = [str(rank) for rank in (3, 1, 7)]
    columns = np.full(10, -1)
    columns[[3, 1, 7]] = [0, 1, 2]
    ranks = np.array([rank for text in texts for rank in text], dtype=np.int32)
    lengths = np.array([len(text) for text in texts])
    assert np.array_equal(
        multi_hot_ranks(ranks, lengths, columns), multi_hot(words, len(words), vocabulary)
    )


# From a Parquet file


def table(**changes: Any) -> pd.DataFrame:
    values: dict[str, Any] = {
        "text": ["good good film", "bad film", "a good one", "unseen words", "bad"],
        "label": np.array([1, 0, 1, 1, 0], dtype=np.int8),
        "split": ["train", "train", "train", "test", "test"],
    }
    return pd.DataFrame({k: v for k, v in {**values, **changes}.items() if v is not None})


def write(folder: Path, frame: pd.DataFrame) -> Path:
    file = folder / reviews.FILE
    frame.to_parquet(file)
    return file


def test_the_vocabulary_knows_training_rows_only(tmp_path: Path) -> None:
    data = reviews.from_parquet(write(tmp_path, table()))
    validate(data)
    assert data.vocabulary == ("good", "film", "a", "bad", "one")
    assert data.x_train.tolist() == [[1, 1, 0, 0, 0], [0, 1, 0, 1, 0], [1, 0, 1, 0, 1]]
    assert data.x_test is not None
    assert data.x_test.tolist() == [[0, 0, 0, 0, 0], [0, 0, 0, 1, 0]]
    assert data.y_train.tolist() == [1, 0, 1]
    assert (data.kind, data.scale, data.class_names) == ("text", 1.0, ("negative", "positive"))


def test_a_vocabulary_is_part_of_the_content(tmp_path: Path) -> None:
    data = reviews.from_parquet(write(tmp_path, table()))
    renamed = table(text=["fine fine film", "bad film", "a fine one", "unseen words", "bad"])
    other = reviews.from_parquet(write(tmp_path, renamed))
    # The same rows of ones and zeros under other words are another data set.
    assert sorted(map(sum, other.x_train.tolist())) == sorted(map(sum, data.x_train.tolist()))
    assert fingerprint(other) != fingerprint(data)


MALFORMED: dict[str, tuple[pd.DataFrame, str]] = {
    "no label": (table(label=None), "lacks label"),
    "no text": (table(text=None), "lacks text"),
    "missing text": (table(text=["a", None, "b", "c", "d"]), "text has 1 empty row"),
    "numbers for text": (table(text=[1, 2, 3, 4, 5]), "must be text"),
    "a third label": (table(label=[0, 1, 2, 0, 1]), "label must hold the integers 0"),
    "labels as words": (table(label=["pos", "neg", "pos", "pos", "neg"]), "label must hold"),
    "labels as floats": (table(label=[0.0, 1.0, 0.0, 1.0, 0.0]), "label must hold"),
    "unknown split": (table(split=["train", "train", "dev", "test", "test"]), "split holds 'dev'"),
    "no test": (table(split=["train"] * 5), "no row has the split test"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_table_is_refused_by_name(tmp_path: Path, case: str) -> None:
    frame, words = MALFORMED[case]
    file = write(tmp_path, frame)
    with pytest.raises(DataError) as caught:
        registry.load("imdb", tmp_path)
    assert words in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all", b"PAR1" + bytes(60)])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / reviews.FILE).write_bytes(content)
    with pytest.raises(DataError, match="is not a Parquet file"):
        registry.load("imdb", tmp_path)


def test_one_class_alone_is_refused(tmp_path: Path) -> None:
    write(tmp_path, table(label=np.zeros(5, dtype=np.int8)))
    with pytest.raises(DataError, match="at least 2"):
        registry.load("imdb", tmp_path)


# Through Keras


class Module:
    """Stands where `keras.datasets.imdb` does; the real one needs a download."""

    @staticmethod
    def load_data(
        start_char: int | None = 1, oov_char: int | None = 2, index_from: int = 3
    ) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        assert (start_char, oov_char, index_from) == (None, None, 0)
        train = np.array([[1, 3, 3], [2, 3]], dtype=object)
        return (train, np.array([1, 0])), (np.array([[4, 1], [2]], dtype=object), np.array([0, 1]))

    @staticmethod
    def get_word_index() -> dict[str, int]:
        return {"good": 1, "bad": 2, "film": 3, "unseen": 4, "never": 5}


def test_what_keras_has_becomes_rows_of_words(tmp_path: Path) -> None:
    file = tmp_path / "arrays.npz"
    np.savez(file, allow_pickle=False, **_reviews(Module))
    data = reviews.from_ranks(file)
    validate(data)
    assert data.vocabulary == ("film", "bad", "good")  # of the training rows, most frequent first
    assert data.x_train.tolist() == [[1, 0, 1], [1, 1, 0]]
    assert data.x_test is not None
    assert data.x_test.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert data.y_train.tolist() == [1, 0]
    assert data.source == "keras.datasets"


def test_the_word_list_may_be_shorter_than_the_ranks(tmp_path: Path) -> None:
    arrays = _reviews(Module)
    arrays["words"] = np.frombuffer(b"\ngood\nbad", dtype=np.uint8)
    np.savez(tmp_path / "arrays.npz", allow_pickle=False, **arrays)
    data = reviews.from_ranks(tmp_path / "arrays.npz")
    validate(data)
    assert data.vocabulary == ("bad", "good")


def test_what_the_child_wrote_is_checked(tmp_path: Path) -> None:
    np.savez(tmp_path / "arrays.npz", x_train=np.zeros(3))
    with pytest.raises(DataError, match="what Keras wrote of imdb"):
        reviews.from_ranks(tmp_path / "arrays.npz")


# Prepared


def test_the_vocabulary_travels_with_the_arrays(tmp_path: Path) -> None:
    data = reviews.from_parquet(write(tmp_path, table()))
    opened = Prepared.open(prepare(data, tmp_path / "prepared").path, fingerprint(data))
    assert opened.vocabulary == data.vocabulary
    assert opened.n_classes == 2
    (opened.path / VOCABULARY).write_text('["one", "word"]', encoding="utf-8")
    with pytest.raises(DataError, match="not the list of words"):
        _ = opened.vocabulary
    assert prepare(data, tmp_path / "prepared").vocabulary == data.vocabulary  # written anew


def test_texts_are_kept_for_people_and_are_no_content(tmp_path: Path) -> None:
    data = reviews.from_parquet(write(tmp_path, table()))
    assert fingerprint(replace(data, texts=None)) == fingerprint(data)
    without = prepare(replace(data, texts=None), tmp_path / "prepared")
    assert without.texts("train", [0]) is None
    kept = prepare(data, tmp_path / "prepared")
    assert kept.path == without.path
    assert kept.texts("train", [2, 0]) == ["a good one", "good good film"]
    assert kept.texts("test", [1]) == ["bad"]
    assert kept.texts("test", [7]) is None  # not all of them are there
    assert prepare(replace(data, texts=None), tmp_path / "prepared").texts("test", []) == []
    (kept.path / "texts_train.parquet").write_bytes(b"torn")
    assert kept.texts("train", [0]) is None
    assert not [file.name for file in kept.path.iterdir() if file.name.startswith(".")]


def test_what_an_older_tuner_prepared_gets_its_texts(tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "prepared"
    data.mkdir()
    write(data, table())
    first = obtain("imdb", data, folder)
    for file in first.path.glob("texts_*"):
        file.unlink()
    assert obtain("imdb", data, folder) == first
    assert first.texts("train", [1]) == ["bad film"]


def test_texts_belong_to_rows(tmp_path: Path) -> None:
    data = reviews.from_parquet(write(tmp_path, table()))
    short = replace(data, texts={"train": ["one"], "test": ["two", "three"]})
    with pytest.raises(DataError, match="it has 1 texts for 3 train rows"):
        validate(short)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a<br /><br />b\n\n c", "a b c"),
        ("1 < 2 and <i>so</i>", "1 < 2 and so"),
        ("", ""),
    ],
)
def test_a_text_in_one_paragraph(text: str, shown: str) -> None:
    assert one_paragraph(text) == shown


@given(st.text(max_size=60), st.integers(1, 20))
def test_the_beginning_and_the_rest_are_the_text(text: str, most: int) -> None:
    start, rest = cut(text, most)
    assert len(start) <= most
    assert "".join((start + rest).split()) == "".join(text.split())


def test_a_text_is_cut_between_two_words() -> None:
    assert cut("short", 10) == ("short", "")
    assert cut("a film that I like", 10) == ("a film", "that I like")
    assert cut("x" * 30, 10) == ("x" * 10, "x" * 20)


def test_a_file_is_decoded_once(tmp_path: Path) -> None:
    said: list[str] = []
    data, folder = tmp_path / "data", tmp_path / "prepared"
    data.mkdir()
    write(data, table())
    first = obtain("imdb", data, folder, said.append)
    again = obtain("imdb", data, folder, said.append)
    assert again == first
    assert len(said) == 1
    changed = write(data, table(label=np.array([1, 0, 1, 0, 1], dtype=np.int8)))
    assert obtain("imdb", data, folder, said.append).fingerprint != first.fingerprint
    assert len(said) == 2
    changed.write_bytes(b"")
    with pytest.raises(DataError):
        obtain("imdb", data, folder, said.append)


def test_damage_to_what_was_prepared_is_mended(tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "prepared"
    data.mkdir()
    write(data, table())
    first = obtain("imdb", data, folder)
    (first.path / "x_train.npy").write_bytes(b"torn")
    again = obtain("imdb", data, folder)
    assert again == first
    assert again.x_train.shape == (3, 5)


@pytest.mark.slow
def test_the_real_reviews(data_dir: Path) -> None:
    if not (data_dir / reviews.FILE).is_file():
        pytest.skip(f"{data_dir} holds no {reviews.FILE}")
    data = registry.load("imdb", data_dir)
    assert data.x_train.shape == (25_000, 10_000)
    assert data.x_train.dtype == np.uint8
    assert data.x_train.max() == 1
    assert np.bincount(data.y_train).tolist() == [12_500, 12_500]
    assert data.vocabulary is not None
    assert data.vocabulary[:3] == ("the", "and", "a")
    # What everybody knows of these reviews, as a check that rows and labels belong together.
    column = data.vocabulary.index("worst")
    share = [data.x_train[data.y_train == label, column].mean() for label in (0, 1)]
    assert share[0] > 4 * share[1]
