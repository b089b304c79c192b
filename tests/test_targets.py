"""The target language: literal texts in and out, and the laws of limits and distances."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuner.contradictions import check_targets
from tuner.errors import TargetError
from tuner.targets import (
    BY_CLASS,
    LARGE_VIOLATION,
    METRICS,
    OPS,
    Target,
    measures_train,
    objective_metric,
    parse_targets,
    unique,
)

law = settings(
    deadline=None, database=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow]
)

VALID = [
    ("val_accuracy >= 0.9", ["val_accuracy >= 0.9"]),
    ("val >= 90% with train < 95%", ["val_accuracy >= 0.9", "train_accuracy < 0.95"]),
    (
        "val_accuracy >= 0.90 and train_accuracy < 0.95",
        ["val_accuracy >= 0.9", "train_accuracy < 0.95"],
    ),
    ("val≥90%,train<95%", ["val_accuracy >= 0.9", "train_accuracy < 0.95"]),
    ("val >= .9 & train <= .95", ["val_accuracy >= 0.9", "train_accuracy <= 0.95"]),
    ("val >= .9 && train <= .95", ["val_accuracy >= 0.9", "train_accuracy <= 0.95"]),
    ("val >= .9 AND train ≤ .95", ["val_accuracy >= 0.9", "train_accuracy <= 0.95"]),
    ("  val\t>\n90 %  ", ["val_accuracy > 0.9"]),
    ("VAL > 90%", ["val_accuracy > 0.9"]),
    ("Val_Accuracy>0.9", ["val_accuracy > 0.9"]),
    ("validation > 0.9", ["val_accuracy > 0.9"]),
    ("val_acc > 0.9", ["val_accuracy > 0.9"]),
    ("train_acc < 0.9", ["train_accuracy < 0.9"]),
    ("val_balanced_accuracy >= 0.9", ["val_balanced_accuracy >= 0.9"]),
    ("balanced_accuracy >= 90%", ["val_balanced_accuracy >= 0.9"]),
    ("balanced accuracy >= 90 %", ["val_balanced_accuracy >= 0.9"]),
    ("Balanced\n Accuracy≥.9", ["val_balanced_accuracy >= 0.9"]),
    ("90% < balanced accuracy", ["val_balanced_accuracy > 0.9"]),
    ("val_macro_f1 > 0.8", ["val_macro_f1 > 0.8"]),
    ("macro_f1 > 80%", ["val_macro_f1 > 0.8"]),
    ("macro F1 > 0.8", ["val_macro_f1 > 0.8"]),
    (
        "macro f1 >= 80% and balanced accuracy >= 85% with train < 99%",
        ["val_macro_f1 >= 0.8", "val_balanced_accuracy >= 0.85", "train_accuracy < 0.99"],
    ),
    ("gap < 5%", ["accuracy_gap < 0.05"]),
    ("accuracy_gap >= -0.05", ["accuracy_gap >= -0.05"]),
    ("gap > -5%", ["accuracy_gap > -0.05"]),
    ("gap <= -0", ["accuracy_gap <= 0"]),
    ("params < 50000", ["parameters < 50000"]),
    ("parameters <= 1e5", ["parameters <= 100000"]),
    ("parameters < 5E+4", ["parameters < 50000"]),
    ("val_loss < .3", ["val_loss < 0.3"]),
    ("val_loss < 1e-3", ["val_loss < 0.001"]),
    ("train_loss > 1e-05", ["train_loss > 1e-05"]),
    ("train_loss <= 2.", ["train_loss <= 2"]),
    ("val_loss < +0.5", ["val_loss < 0.5"]),
    ("val >= 0.0", ["val_accuracy >= 0"]),
    ("val >= 100%", ["val_accuracy >= 1"]),
    ("val >= 90.7%", ["val_accuracy >= 0.907"]),
    ("val >= 0.7%", ["val_accuracy >= 0.007"]),
    ("val >= 7%", ["val_accuracy >= 0.07"]),
    ("val >= 9e1 %", ["val_accuracy >= 0.9"]),
    ("0.9 <= val", ["val_accuracy >= 0.9"]),
    ("90% < val", ["val_accuracy > 0.9"]),
    ("95 % ≥ train", ["train_accuracy <= 0.95"]),
    ("0.95 > train, 0.9 <= val", ["train_accuracy < 0.95", "val_accuracy >= 0.9"]),
    ("val>=0,0.95>train", ["val_accuracy >= 0", "train_accuracy < 0.95"]),
    ("val>=0,95%>train", ["val_accuracy >= 0", "train_accuracy < 0.95"]),
    ("val>=5%,95%>train", ["val_accuracy >= 0.05", "train_accuracy < 0.95"]),
    ("val > 0.9 and val > 0.9", ["val_accuracy > 0.9", "val_accuracy > 0.9"]),
    (
        "val>.9 with train<.95, gap<4% & val_loss<.4 && train_loss>.01 and params<1e6",
        [
            "val_accuracy > 0.9",
            "train_accuracy < 0.95",
            "accuracy_gap < 0.04",
            "val_loss < 0.4",
            "train_loss > 0.01",
            "parameters < 1000000",
        ],
    ),
]

KNOWN = (
    "known are train_accuracy, val_accuracy, train_loss, val_loss, accuracy_gap, parameters,"
    " val_balanced_accuracy, val_macro_f1, and train, val, gap, params for short"
)
COMMA = "a comma begins another target: write 0.9 with a point and 50000 without a separator"
EXAMPLE = "write for example val >= 0.9"

INVALID = [
    # nothing there
    ("", f"expected a metric, found the end: {EXAMPLE}", "^"),
    ("   ", f"expected a metric, found the end: {EXAMPLE}", "^"),
    ("val", "an operator is missing after 'val': expected >=, >, <= or <", "~~~^"),
    ("val >=", "a number is missing after '>='", "~~~~~~^"),
    ("val >=   ", "a number is missing after '>='", "~~~~~~^"),
    ("0.9", "an operator is missing after '0.9': expected >=, >, <= or <", "~~~^"),
    ("90 %", "an operator is missing after '%': expected >=, >, <= or <", "~~~~^"),
    ("0.9 <=", "expected a metric after '<=', found the end", "~~~~~~^"),
    (">= 0.9", f"expected a metric, found '>=': {EXAMPLE}", "^"),
    ("% > val", f"expected a metric, found '%': {EXAMPLE}", "^"),
    # joiners
    (", val > .9", f"expected a metric, found ',': {EXAMPLE}", "^"),
    ("val > .9 and", "a target is missing after 'and'", "            ^"),
    ("val > .9,", "a target is missing after ','", "         ^"),
    ("val > .9,, train < 1", "two joiners in a row: leave out ','", "         ^"),
    ("val > .9, with train < 1", "two joiners in a row: leave out 'with'", "          ^"),
    ("val>.9 &&& gap<1", "two joiners in a row: leave out '&'", "         ^"),
    (
        "val > .9 train < 1",
        "unexpected 'train' after a target: join targets with 'and' or ','",
        "~~~~~~~~~^",
    ),
    (
        "val > .9; train < 1",
        "unexpected ';' after a target: join targets with 'and' or ','",
        "~~~~~~~~^",
    ),
    (
        "val > .9 or train < 1",
        "all targets are met together: 'or' is not possible, write 'and'",
        "~~~~~~~~~^",
    ),
    (
        "0.9 <= val < 0.95",
        "one comparison a target: join a second one with 'and', found '<'",
        "~~~~~~~~~~~^",
    ),
    (
        "val > 90%%",
        "unexpected '%' after a target: join targets with 'and' or ','",
        "~~~~~~~~~^",
    ),
    # metrics
    ("vall > .9", f"unknown metric 'vall' (did you mean val?); {KNOWN}", "^"),
    ("val-accuracy > .9", "(did you mean val_accuracy?)", "^"),
    ("val > .9, zzzz < 1", f"unknown metric 'zzzz'; {KNOWN}", "          ^"),
    ("loss < 1", "'loss' of which split? Write train_loss or val_loss", "^"),
    ("Accuracy > .9", "Write train_accuracy or val_accuracy", "^"),
    ("test > .9", "'test' is no target: write val, test never chooses", "^"),
    ("test_accuracy > .9", "'test_accuracy' is no target", "^"),
    (
        "val accuracy > .9",
        "expected >=, >, <= or < after 'val', found 'accuracy' (did you mean val_accuracy?)",
        "~~~~^",
    ),
    (
        "val balanced accuracy > .9",
        "after 'val', found 'balanced' (did you mean val_balanced_accuracy?)",
        "~~~~^",
    ),
    ("balanced > .9", "unknown metric 'balanced'", "^"),
    ("f1 > .9", "'f1' of which average? Write macro_f1", "^"),
    ("macro-f1 > .9", "unknown metric 'macro-f1' (did you mean macro_f1?)", "^"),
    ("train_macro_f1 > .9", "(did you mean val_macro_f1?)", "^"),
    (
        "balanced accuracy .9",
        "expected >=, >, <= or < after 'accuracy', found '.9'",
        "~~~~~~~~~~~~~~~~~~^",
    ),
    ("macro f1", "an operator is missing after 'f1': expected >=, >, <= or <", "~~~~~~~~^"),
    (
        "macro f1 >= 80",
        "val_macro_f1 lies between 0 and 1: did you mean 80%?",
        "~~~~~~~~~~~~^",
    ),
    # operators
    ("val => .9", "unknown operator '=>': write >=", "~~~~^"),
    ("val =< .9", "unknown operator '=<': write <=", "~~~~^"),
    ("val = .9", "unknown operator '=': expected >=, >, <= or <", "~~~~^"),
    ("val == .9", "unknown operator '==': expected >=, >, <= or <", "~~~~^"),
    ("val ≠ .9", "unknown operator '≠': expected >=, >, <= or <", "~~~~^"),
    ("val > = .9", "two operators in a row: write >= without a space", "~~~~~~^"),
    ("val > < .9", "two operators in a row: leave out '<'", "~~~~~~^"),
    ("val over .9", "expected >=, >, <= or < after 'val', found 'over'", "~~~~^"),
    ("val .9", "expected >=, >, <= or < after 'val', found '.9'", "~~~~^"),
    # numbers
    ("val >= 90", "val_accuracy lies between 0 and 1: did you mean 90%?", "~~~~~~~^"),
    (
        "val > .9, train < 95",
        "train_accuracy lies between 0 and 1: did you mean 95%?",
        " " * 10 + "~~~~~~~~^",
    ),
    ("90 <= val", "val_accuracy lies between 0 and 1: did you mean 90%?", "^"),
    ("val >= 900%", "val_accuracy lies between 0 and 1: 0% to 100%", "~~~~~~~^"),
    ("val >= -0.1", "val_accuracy lies between 0 and 1: 0% to 100%", "~~~~~~~^"),
    ("gap < 5", "accuracy_gap lies between -1 and 1: did you mean 5%?", "~~~~~~^"),
    ("gap < 101%", "accuracy_gap lies between -1 and 1: -100% to 100%", "~~~~~~^"),
    ("val_loss < 5%", "val_loss takes a plain number, without '%'", "~~~~~~~~~~~~^"),
    ("5% > params", "parameters takes a plain number, without '%'", "~^"),
    ("params < 50k", "'50k' is no number: write 0.9, 90%, 50000 or 1e-3", "~~~~~~~~~^"),
    ("params < 50_000", "'50_000' is no number", "~~~~~~~~~^"),
    ("val > 0.9.1", "'0.9.1' is no number", "~~~~~~^"),
    ("val > 1e", "'1e' is no number", "~~~~~~^"),
    ("val > ９0", "found '９'", "~~~~~~^"),
    ("val > 0.９", "'0.９' is no number", "~~~~~~^"),
    ("val >= 0,9", COMMA, "~~~~~~~~^"),
    ("val >= 90,5%", COMMA, "~~~~~~~~~^"),
    ("params < 50,000 and val > .9", COMMA, "~~~~~~~~~~~^"),
    ("val > nan", "expected a number after '>', found 'nan'", "~~~~~~^"),
    ("val_loss < inf", "expected a number after '<', found 'inf'", "~~~~~~~~~~~^"),
    ("val_loss < 1e999", "'1e999' is too large for a limit", "~~~~~~~~~~~^"),
    ("gap > - 1", "expected a number after '>', found '-'", "~~~~~~^"),
    (
        "train < val",
        "expected a number after '<', found 'val': to compare train with val, limit accuracy_gap",
        "~~~~~~~~^",
    ),
    ("0.9 <= 0.95", "expected a metric after '<=', found '0.95'", "~~~~~~~^"),
    # places count characters
    ("val ≥ 90 % & trän < 1", "unknown metric 'trän' (did you mean train?)", " " * 13 + "^"),
    ("präzision ≥ 90", "unknown metric 'präzision'", "^"),
    ("val ≥ 0.9 ∧ train < 1", "unexpected '∧' after a target", "~~~~~~~~~~^"),
    ("val > .9 😀", "unexpected '😀' after a target", "~~~~~~~~~^"),
]


@pytest.mark.parametrize(("text", "canonical"), VALID)
def test_valid_texts(text: str, canonical: list[str]) -> None:
    assert [str(target) for target in parse_targets(text)] == canonical


@pytest.mark.parametrize(("text", "message", "marker"), INVALID)
def test_invalid_texts(text: str, message: str, marker: str) -> None:
    with pytest.raises(TargetError) as caught:
        parse_targets(text)
    first, shown, pointer = str(caught.value).split("\n")
    assert message in first
    assert shown == "  " + text.rstrip()
    assert pointer == "  " + marker


def test_the_whole_message() -> None:
    with pytest.raises(TargetError) as caught:
        parse_targets("val ≥ 90% with train < 95")
    assert str(caught.value) == (
        "train_accuracy lies between 0 and 1: did you mean 95%?\n"
        "  val ≥ 90% with train < 95\n"
        "                 ~~~~~~~~^"
    )


def test_a_text_with_line_breaks_and_escapes_is_shown_on_one_line() -> None:
    with pytest.raises(TargetError) as caught:
        parse_targets("val > .9\n\x1b[31m")
    assert str(caught.value) == (
        "unexpected '\\x1b' after a target: join targets with 'and' or ','\n"
        "  val > .9  [31m\n"
        "  ~~~~~~~~~^"
    )


def test_a_parsed_target_is_a_value() -> None:
    (target,) = parse_targets("90% <= VAL")
    assert target == Target("val_accuracy >= 0.9", "val_accuracy", ">=", 0.9)
    assert target.is_floor
    assert not target.is_ceiling
    assert parse_targets("train < 95%")[0].is_ceiling


@pytest.mark.parametrize(
    ("metric", "op", "value"),
    [("test_accuracy", ">=", 0.9), ("val_loss", "==", 0.9), ("val_loss", "<", math.nan)],
)
def test_no_target_is_made_of_nonsense(metric: str, op: str, value: float) -> None:
    with pytest.raises(ValueError, match="not a target"):
        Target.of(metric, op, value)


# --- distances --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "figure", "violation", "margin"),
    [
        ("val >= 0.9", 0.9, 0.0, 0.0),
        ("val >= 0.9", 0.89, 1.0, -1.0),
        ("val >= 0.9", 0.93, 0.0, 3.0),
        ("val > 0.9", 0.9, 1e-7, 0.0),
        ("train < 0.95", 0.95, 1e-7, 0.0),
        ("train < 0.95", 0.97, 2.0 + 1e-7, -2.0),
        ("gap <= 0.05", 0.1, 5.0, -5.0),
        ("balanced accuracy >= 0.9", 0.88, 2.0, -2.0),
        ("macro f1 >= 0.9", 0.93, 0.0, 3.0),
        ("val_loss <= 0.3", 0.4, 2.0, -2.0),
        ("val_loss < 0.3", 0.2, 0.0, 2.0),
        ("parameters <= 50000", 60000, 2.0, -2.0),
        ("parameters <= 0", 3, 3.0, -3.0),
        ("parameters >= 100", 90, 1.0, -1.0),
    ],
)
def test_distances(text: str, figure: float, violation: float, margin: float) -> None:
    (target,) = parse_targets(text)
    assert target.violation(figure) == pytest.approx(violation, rel=1e-9)
    assert target.margin(figure) == pytest.approx(margin, abs=1e-12)


@pytest.mark.parametrize("figure", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("op", OPS)
def test_what_is_not_a_figure_is_never_met(op: str, figure: float | None) -> None:
    target = Target.of("val_loss", op, 0.3)
    assert not target.met_by(figure)
    assert target.violation(figure) == LARGE_VIOLATION
    assert target.margin(figure) == -LARGE_VIOLATION


def limits(metric: str) -> st.SearchStrategy[float]:
    if metric.endswith("_accuracy") or metric in BY_CLASS:
        return st.floats(0, 1)
    if metric == "accuracy_gap":
        return st.floats(-1, 1)
    return st.floats(allow_nan=False, allow_infinity=False)


any_target = st.sampled_from(METRICS).flatmap(
    lambda metric: st.builds(Target.of, st.just(metric), st.sampled_from(OPS), limits(metric))
)
finite = st.floats(allow_nan=False, allow_infinity=False)


@law
@given(
    st.lists(any_target, min_size=1, max_size=4), st.sampled_from([" and ", ", ", "&", " with "])
)
def test_canonical_texts_parse_to_themselves(targets: list[Target], joiner: str) -> None:
    assert parse_targets(joiner.join(str(t) for t in targets)) == tuple(targets)


@law
@given(any_target, st.data())
def test_no_violation_exactly_where_met(target: Target, data: st.DataObject) -> None:
    near = st.sampled_from(
        [
            target.value,
            math.nextafter(target.value, math.inf),
            math.nextafter(target.value, -math.inf),
        ]
    ).filter(math.isfinite)
    figure = data.draw(near | st.floats(-1, 1) | finite)
    violation = target.violation(figure)
    assert (violation == 0) == target.met_by(figure)
    assert 0 <= violation < math.inf


@law
@given(any_target, finite, finite)
def test_what_is_further_off_violates_no_less(target: Target, one: float, two: float) -> None:
    worse, better = sorted((one, two), reverse=target.is_ceiling)
    assert target.violation(worse) >= target.violation(better)
    assert target.margin(worse) <= target.margin(better)


@law
@given(any_target, finite)
def test_a_margin_has_the_sign_of_the_verdict(target: Target, figure: float) -> None:
    if target.margin(figure) > 0:
        assert target.met_by(figure)
    if target.margin(figure) < 0:
        assert not target.met_by(figure)


@law
@given(st.text(alphabet="val>=<.9 0,%&andtriwhg≥-e\n", max_size=25) | st.text(max_size=15))
def test_any_text_parses_or_points_into_itself(text: str) -> None:
    try:
        targets = parse_targets(text)
    except TargetError as error:
        _, shown, pointer = str(error).rsplit("\n", 2)
        assert len(shown) == 2 + len(text.rstrip())
        assert 0 <= pointer.index("^") - 2 <= len(text.rstrip())
    else:
        assert targets
        assert parse_targets(" and ".join(t.text for t in targets)) == targets


# --- contradictions ---------------------------------------------------------------------------


CONTRADICTIONS = [
    ("val >= .9 and train < .95", []),
    ("val >= .9 and val >= .9", []),
    ("val >= .9 and val <= .9", []),
    ("val > 0, val < 1, gap > -1, gap < 1, val_loss > 0, params > 0", []),
    ("val >= 1 and val <= 1", []),
    (
        "val >= .9 and val < .9",
        ["val_accuracy >= 0.9 and val_accuracy < 0.9 contradict: no val_accuracy meets both"],
    ),
    (
        "val < .5 and val > .6 and val >= .7",
        ["val_accuracy >= 0.7 and val_accuracy < 0.5 contradict: no val_accuracy meets both"],
    ),
    (
        "val >= .9, val > .9, val <= .9",
        ["val_accuracy > 0.9 and val_accuracy <= 0.9 contradict: no val_accuracy meets both"],
    ),
    ("val > 1", ["val_accuracy > 1 can never be met: val_accuracy lies between 0 and 1"]),
    ("train < 0", ["train_accuracy < 0 can never be met: train_accuracy lies between 0 and 1"]),
    ("gap < -1", ["accuracy_gap < -1 can never be met: accuracy_gap lies between -1 and 1"]),
    ("val_loss < 0", ["val_loss < 0 can never be met: val_loss is never below 0"]),
    ("val_loss <= -1", ["val_loss <= -1 can never be met: val_loss is never below 0"]),
    ("params < 0", ["parameters < 0 can never be met: parameters is never below 0"]),
    ("params < 0.5", []),
    (
        "params > 5 and params < 6",
        ["parameters > 5 and parameters < 6 contradict: no parameters meets both"],
    ),
    ("params > 5 and params <= 6", []),
    (
        "params >= 5.2 and params <= 5.8",
        ["parameters >= 5.2 and parameters <= 5.8 contradict: no parameters meets both"],
    ),
    (
        "val > 1, val_loss < 0.1, val_loss > 0.2",
        [
            "val_accuracy > 1 can never be met: val_accuracy lies between 0 and 1",
            "val_loss > 0.2 and val_loss < 0.1 contradict: no val_loss meets both",
        ],
    ),
    ("val >= .9 and train <= .95 and gap >= 0.05", []),
    (
        "val >= .9 and train < .95 and gap >= 0.05",
        [
            "val_accuracy >= 0.9, train_accuracy < 0.95 and accuracy_gap >= 0.05 contradict:"
            " accuracy_gap is train_accuracy - val_accuracy"
        ],
    ),
    (
        "val <= .8 and train >= .9 and gap < 10%",
        [
            "val_accuracy <= 0.8, train_accuracy >= 0.9 and accuracy_gap < 0.1 contradict:"
            " accuracy_gap is train_accuracy - val_accuracy"
        ],
    ),
    ("val <= .8 and train >= .9 and gap <= 10%", []),
    (
        "val > .9 and gap >= 0.1",
        [
            "val_accuracy > 0.9 and accuracy_gap >= 0.1 contradict:"
            " accuracy_gap is train_accuracy - val_accuracy"
        ],
    ),
    (
        "val < .8 and train >= .9 and gap <= 10%",
        [
            "val_accuracy < 0.8, train_accuracy >= 0.9 and accuracy_gap <= 0.1 contradict:"
            " accuracy_gap is train_accuracy - val_accuracy"
        ],
    ),
    (
        "train > .9 and val <= .8 and gap <= 10%",
        [
            "val_accuracy <= 0.8, train_accuracy > 0.9 and accuracy_gap <= 0.1 contradict:"
            " accuracy_gap is train_accuracy - val_accuracy"
        ],
    ),
    (
        "val >= 0 and train < .1 and gap >= 0.1",
        [
            "train_accuracy < 0.1 and accuracy_gap >= 0.1 contradict:"
            " accuracy_gap is train_accuracy - val_accuracy"
        ],
    ),
]


@pytest.mark.parametrize(("text", "lines"), CONTRADICTIONS)
def test_contradictions(text: str, lines: list[str]) -> None:
    assert check_targets(parse_targets(text)) == lines


tenths = st.integers(0, 10).map(lambda n: n / 10)
coarse_target = st.builds(
    Target.of, st.sampled_from(["train_accuracy", "val_accuracy"]), st.sampled_from(OPS), tenths
) | st.builds(
    Target.of,
    st.just("accuracy_gap"),
    st.sampled_from(OPS),
    st.integers(-10, 10).map(lambda n: n / 10),
)


def holds(target: Target, figure: Fraction) -> bool:
    limit = Fraction(repr(target.value))
    return {
        ">=": figure >= limit,
        ">": figure > limit,
        "<=": figure <= limit,
        "<": figure < limit,
    }[target.op]


@law
@given(st.lists(coarse_target, max_size=5))
def test_contradictions_are_what_no_figures_meet(targets: list[Target]) -> None:
    # limits are tenths, so if any pair of figures meets them, one on a grid of fortieths does
    grid = [Fraction(n, 40) for n in range(41)]

    def left(metric: str) -> list[Fraction]:
        mine = [t for t in targets if t.metric == metric]
        return [f for f in grid if all(holds(t, f) for t in mine)]

    gaps = [t for t in targets if t.metric == "accuracy_gap"]
    differences = {t - v for t in left("train_accuracy") for v in left("val_accuracy")}
    possible = any(all(holds(t, d) for t in gaps) for d in differences)
    assert (check_targets(targets) == []) == possible


@st.composite
def contradicting(draw: st.DrawFn) -> list[Target]:
    """A floor above a ceiling of the same metric, among other targets."""
    metric = draw(st.sampled_from(METRICS))
    low, high = sorted(draw(st.lists(limits(metric), min_size=2, max_size=2, unique=True)))
    pair = [
        Target.of(metric, draw(st.sampled_from([">", ">="])), high),
        Target.of(metric, draw(st.sampled_from(["<", "<="])), low),
    ]
    return draw(st.permutations([*pair, *draw(st.lists(any_target, max_size=3))]))


@law
@given(contradicting(), any_target)
def test_a_contradiction_does_not_go_away(targets: list[Target], more: Target) -> None:
    assert check_targets(targets)
    assert check_targets([*targets, more])


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("val >= 0.9 and train < 0.95", "val_accuracy"),
        ("train < 0.95 and params < 100", "val_accuracy"),
        ("balanced accuracy >= 0.9", "val_balanced_accuracy"),
        ("val >= 0.9, macro f1 >= 0.9", "val_macro_f1"),
        ("macro f1 >= 0.9, val >= 0.9, balanced accuracy >= 0.8", "val_macro_f1"),
        ("balanced accuracy >= 0.8, macro f1 >= 0.9", "val_balanced_accuracy"),
    ],
)
def test_what_a_study_maximises(text: str, metric: str) -> None:
    assert objective_metric(parse_targets(text)) == metric


def test_without_targets_a_study_maximises_val_accuracy() -> None:
    assert objective_metric(()) == "val_accuracy"


def test_unique_keeps_the_first_mention() -> None:
    targets = parse_targets("val > .9, train < .95, 90% < val, val > .8, train_acc < 95%")
    assert [t.text for t in unique(targets)] == [
        "val_accuracy > 0.9",
        "train_accuracy < 0.95",
        "val_accuracy > 0.8",
    ]


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("val > .9", False),
        ("val_loss < 1, params < 5", False),
        ("val > .9, train < .95", True),
        ("train_loss > .1", True),
        ("gap < 5%", True),
    ],
)
def test_measures_train(text: str, needs: bool) -> None:
    assert measures_train(parse_targets(text)) is needs
