"""Pictures: their bytes are what they claim, pixels are where they belong, no label is cut off."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuner.report.pictures import CHOSEN_SIDE, DPI, MARGIN, Bar, Tile, chosen, examples, words


def pixels(content: bytes) -> Any:
    """A .png as (height, width) of grey from 0 to 255; it has no transparent pixel."""
    import matplotlib.image

    read = matplotlib.image.imread(io.BytesIO(content), format="png")
    assert read.ndim == 3
    if read.shape[2] == 4:
        assert read[:, :, 3].min() == 1.0
    return (read[:, :, :3].mean(axis=2) * 255).round().astype(int)


def svg_texts(content: bytes) -> list[str]:
    """The texts of an .svg, which Matplotlib notes beside their outlines."""
    import html

    found = re.findall(r"<!-- (.*?) -->", content.decode(), re.S)
    return [html.unescape(text) for text in found]


def image(value: int, size: tuple[int, ...] = (28, 28), ground: int = 0) -> Any:
    """A square of `value` in the middle of `ground`."""
    made = np.full(size, ground, dtype=np.uint8)
    made[size[0] // 4 : -size[0] // 4, size[1] // 4 : -size[1] // 4] = value
    return made


def class_lines(count: int = 3, each: int = 4) -> list[tuple[str, list[Tile]]]:
    return [
        (f"class {c}", [Tile(image(40 * c + 60), f"#{c * each + i}") for i in range(each)])
        for c in range(count)
    ]


BARS = [(f"class {c}", [Bar(f"word{i}", 3.0 - i, f"{i} of 9") for i in range(3)]) for c in range(4)]

DRAWN = {
    "examples": lambda form: examples("t", "c.", class_lines(), 255.0, form),
    "chosen": lambda form: chosen("t", "c.", class_lines()[0][1], 255.0, form),
    "words": lambda form: words("t", "c.", BARS, form),
}


@pytest.mark.parametrize("name", DRAWN)
def test_the_same_values_are_the_same_bytes(name: str) -> None:
    for form, head in (("png", b"\x89PNG\r\n"), ("svg", b"<?xml")):
        content = DRAWN[name](form)
        assert content.startswith(head)
        assert DRAWN[name](form) == content
    assert b"<dc:date>" not in content


@pytest.mark.parametrize("name", DRAWN)
def test_the_edge_is_white_and_nothing_is_cut_off(name: str) -> None:
    drawn = pixels(DRAWN[name]("png"))
    for edge in (drawn[: MARGIN // 2], drawn[-MARGIN // 2 :]):
        assert edge.min() == 255
    for edge in (drawn[:, : MARGIN // 2], drawn[:, -MARGIN // 2 :]):
        assert edge.min() == 255


def test_settings_of_the_user_do_not_count(tmp_path: Path) -> None:
    import matplotlib

    before = DRAWN["examples"]("png")
    with matplotlib.rc_context({"font.family": "serif", "savefig.facecolor": "black"}):
        assert DRAWN["examples"]("png") == before
        assert matplotlib.rcParams["savefig.facecolor"] == "black"


def test_every_pixel_of_an_image_is_a_square_of_one_grey() -> None:
    draw = np.random.default_rng(1).integers(0, 256, (28, 28), dtype=np.uint8)
    draw[0], draw[-1], draw[:, 0], draw[:, -1] = 0, 0, 0, 0
    drawn = pixels(chosen("t", "c.", [Tile(draw, "#0")], 255.0, "png"))
    zoom = CHOSEN_SIDE // 28
    wanted = np.kron(255 - draw.astype(int), np.ones((zoom, zoom), dtype=int))
    high, wide = wanted.shape
    # A line of the image that is all its own is looked for in the picture.
    middle = wanted[high // 2]
    places = [
        (y, x)
        for y in range(drawn.shape[0] - high)
        for x in range(drawn.shape[1] - wide)
        if abs(drawn[y + high // 2, x : x + wide] - middle).max() <= 1
    ]
    assert any(abs(drawn[y : y + high, x : x + wide] - wanted).max() <= 1 for y, x in places)


def test_a_light_ground_stays_light_and_a_dark_one_becomes_light() -> None:
    for ground, value, said in ((0, 250, "0 is white, 255 black."), (250, 5, "0 is black")):
        tiles = [Tile(image(value, ground=ground), "#0")]
        drawn = pixels(chosen("t", "c.", tiles, 255.0, "png"))
        dark = (drawn < 20).mean()
        assert 0.01 < dark < 0.3  # the square only
        texts = svg_texts(chosen("t", "c.", tiles, 255.0, "svg"))
        assert said in " ".join(texts)


def test_colours_stay_colours() -> None:
    import matplotlib.image

    red = np.zeros((10, 10, 3), dtype=np.uint8)
    red[:, :, 0] = 255
    content = chosen("t", "c.", [Tile(red, "#0")], 255.0, "png")
    read = matplotlib.image.imread(io.BytesIO(content), format="png")[:, :, :3]
    assert ((read == [1.0, 0.0, 0.0]).all(axis=2)).sum() == (CHOSEN_SIDE // 10 * 10) ** 2
    assert svg_texts(chosen("t", "c.", [Tile(red, "#0")], 255.0, "svg"))[-1] == "c."


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (28, 28, 1), (30, 10), (500, 300, 3), (9, 9, 2)])
def test_images_of_any_shape_are_drawn(shape: tuple[int, ...]) -> None:
    image = np.ones(shape, dtype=np.uint8)
    drawn = pixels(examples("t", "c.", [("one", [Tile(image, "#0")])], 1.0, "png"))
    assert max(drawn.shape) < 1000


@pytest.mark.parametrize(
    "name", ["costs $5 and $6", "a_b^2", r"a $\frac$ b", "Hose & Rock <3", "100 %", "日本"]
)
def test_a_name_is_text_and_no_formula(name: str) -> None:
    content = examples("t", "c.", [(name, [Tile(image(9), "#0")])], 255.0, "svg")
    assert name.replace("--", "- -") in svg_texts(content)
    assert chosen("t", "c.", [Tile(image(9), f"#0 {name}")], 255.0, "png")


def test_a_long_name_is_cut_and_the_page_is_as_wide_as_its_title() -> None:
    long = "a name that goes on and on " * 9
    texts = svg_texts(examples("t", "c.", [(long, [Tile(image(9), "#0")])], 255.0, "svg"))
    assert [text for text in texts if text.startswith("a name")] == [f"{long[:35]}…"]
    narrow = pixels(chosen("t", "c.", [Tile(image(9), "#0")], 255.0, "png"))
    wide = pixels(chosen("a title that is longer " * 3, "c.", [Tile(image(9), "")], 255.0, "png"))
    assert wide.shape[1] > narrow.shape[1]
    assert wide[:, -MARGIN // 2 :].min() == 255


def test_a_class_without_rows_keeps_its_line() -> None:
    lines = class_lines(2)
    with_one_more = [*lines, ("nothing here", [])]
    texts = svg_texts(examples("t", "c.", with_one_more, 255.0, "svg"))
    assert "nothing here" in texts
    heights = [
        pixels(examples("t", "c.", some, 255.0, "png")).shape[0] for some in (lines, with_one_more)
    ]
    assert heights[1] - heights[0] > 100


def test_every_row_and_word_is_named() -> None:
    tiles = [Tile(image(200), f"#{i} class") for i in range(23)]
    assert {t.text for t in tiles} <= set(svg_texts(chosen("t", "c.", tiles, 255.0, "svg")))
    texts = svg_texts(words("the title", "caption", BARS, "svg"))
    for name, bars in BARS:
        assert {name, *(bar.word for bar in bars), *(bar.note for bar in bars)} <= set(texts)
    assert texts[0] == "the title"
    assert texts[-1] == "caption"


def test_a_long_caption_is_broken_into_lines() -> None:
    caption = "A caption with many words that does not fit into one line. " * 5
    content = chosen("t", caption, [Tile(image(9), "#0")], 255.0, "svg")
    lines = svg_texts(content)[2:]
    assert len(lines) > 3
    assert " ".join(lines).startswith(caption.strip())
    assert (
        pixels(chosen("t", caption, [Tile(image(9), "#0")], 255.0, "png"))[:, -MARGIN // 2 :].min()
        == 255
    )


def test_a_longer_bar_is_longer() -> None:
    bars = [("one", [Bar("a", 4.0, ""), Bar("b", 2.0, ""), Bar("c", -1.0, "")])]
    content = words("t", "c.", bars, "svg").decode()
    found = re.findall(r"<path d=\"M ([\d.]+) [\d.]+ \nL ([\d.]+) ", content)
    # Of all straight shapes, the bars are those of the three longest to the right of the words.
    spans = sorted({round(abs(float(b) - float(a)) * DPI / 72) for a, b in found}, reverse=True)
    assert {240, 120} <= set(spans)


@pytest.mark.parametrize("values", [(0.0, 0.0), (-1.0, 0.0)])
def test_words_that_speak_for_no_class_have_no_bar(values: tuple[float, ...]) -> None:
    bars = [("one", [Bar("a", value, "1 of 9") for value in values])]
    assert svg_texts(words("t", "c.", bars, "svg")).count("1 of 9") == 2
