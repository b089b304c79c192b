"""The page in a browser, headless: what it draws, what it answers to, and that it fits a phone."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pages
import pytest
from test_page import built, winner

from tuner.report.page.render import render
from tuner.report.selection import Outcome

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
WINDOWS = {"desktop": (1440, 900), "phone": (390, 844)}
PATIENCE = 60.0


def outcome() -> Outcome:
    """Sixty trials, one of them confirmed."""
    trials = pages.records(60)
    best = pages.outcome(trials).meets[0].trial
    trials[best] = pages.confirmed(trials[best], [0.925, 0.926, 0.924, 0.925, 0.926], 0.02)
    return pages.outcome(trials)


@contextmanager
def server() -> Iterator[str]:
    """The address of a stand-in for MLflow's pages, which answers anything."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>a run</title>")

        def log_message(self, *_: Any) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_address[1]}"
    finally:
        running.shutdown()
        running.server_close()
        thread.join()


@pytest.fixture(scope="module")
def shown() -> Outcome:
    return outcome()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with server() as found:
        yield found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, shown: Outcome, address: str) -> Path:
    """The page with links; names in it would be markup if it let them."""
    file = tmp_path_factory.mktemp("page") / "page.html"
    names = ("<b>boot</b>", "bag & case")
    wrong = (winner(1, names), winner(2, names, words="a dreadful <i>film</i>"))
    file.write_text(render(built(shown, mistakes=wrong, mlflow=address)), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    if BROWSER is None or DRIVER is None:
        pytest.skip("chromium and chromedriver are not installed: no browser to open the page in")
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = BROWSER
    # Without a sandbox because root has none; /dev/shm is small in containers.
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield found
    found.quit()


@pytest.fixture
def opened(driver: Any, page: Path) -> Callable[..., Any]:
    """Opens the page in a window of some size, light or dark."""

    def open_page(window: str = "desktop", scheme: str = "light") -> Any:
        return pages.open_in(driver, page, *WINDOWS[window], scheme)

    return open_page


def until(condition: Callable[[], Any]) -> Any:
    """What `condition` gives as soon as it is true."""
    end = time.monotonic() + PATIENCE
    while True:
        found = condition()
        if found or time.monotonic() > end:
            assert found, "it did not come about"
            return found
        time.sleep(0.05)


def see_all(driver: Any) -> None:
    """Scroll through the page until every chart is drawn."""

    def drawn() -> bool:
        # A chart is drawn when it comes into view.
        script = """
            const left = [...document.querySelectorAll("[data-chart]")]
                .find((box) => !box.querySelector("[data-drawn]"));
            if (left) left.scrollIntoView({block: "center"});
            return !left;
        """
        return bool(driver.execute_script(script))

    until(drawn)


def complaints(driver: Any) -> list[str]:
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def dot(driver: Any, chart: str, trial: int) -> tuple[int, int]:
    """Where a trial's dot is in the window, after scrolling to its chart."""
    script = """
        const box = document.querySelector(`[data-chart="${arguments[0]}"]`);
        box.scrollIntoView({block: "center"});
        const plot = box.querySelector(".js-plotly-plot");
        if (!plot || !plot._fullLayout) return null;
        const {xaxis, yaxis} = plot._fullLayout;
        for (const trace of plot.data) {
            const at = (trace.customdata || []).indexOf(arguments[1]);
            if (at < 0) continue;
            const from = plot.getBoundingClientRect();
            return [from.left + xaxis._offset + xaxis.l2p(trace.x[at]),
                    from.top + yaxis._offset + yaxis.l2p(trace.y[at])];
        }
        return null;
    """
    x, y = until(lambda: driver.execute_script(script, chart, trial))
    return round(x), round(y)


def move(driver: Any, x: int, y: int, click: bool = False) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    actions = ActionBuilder(driver)
    actions.pointer_action.move_to_location(x + 30, y + 30)
    actions.pointer_action.move_to_location(x, y)
    actions.perform()
    if click:
        ActionChains(driver).click().perform()


def card(driver: Any) -> str:
    return str(
        driver.execute_script(
            "const c = document.getElementById('card'); return c.hidden ? '' : c.innerText"
        )
    )


def rows(driver: Any) -> list[int]:
    script = """return [...document.querySelectorAll("#table tbody tr")]
        .filter((row) => !row.hidden).map((row) => +row.dataset.trial)"""
    return [int(trial) for trial in driver.execute_script(script)]


def test_all_charts_are_drawn_without_a_complaint(opened: Callable[..., Any]) -> None:
    driver = opened()
    see_all(driver)
    charts = driver.execute_script("return document.querySelectorAll('[data-chart]').length")
    lines = driver.execute_script("return document.querySelectorAll('.main-svg .trace').length")
    assert charts > 10
    assert lines > charts
    assert complaints(driver) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", list(WINDOWS))
def test_nothing_is_wider_than_the_window(
    opened: Callable[..., Any], window: str, scheme: str
) -> None:
    driver = opened(window, scheme)
    see_all(driver)
    wide, inner = driver.execute_script(
        "return [document.documentElement.scrollWidth, window.innerWidth]"
    )
    assert wide <= inner == WINDOWS[window][0]
    assert complaints(driver) == []
    script = """
        const color = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number);
        return color.slice(0, 3).reduce((a, b) => a + b) / 3"""
    assert (driver.execute_script(script) < 100) == (scheme == "dark")


def test_the_button_turns_light_to_dark_and_charts_follow(opened: Callable[..., Any]) -> None:
    driver = opened()
    script = """return [getComputedStyle(document.body).backgroundColor,
        document.querySelector("[data-chart=map] .xtick text").style.fill]"""
    until(lambda: driver.execute_script("return document.querySelector('[data-chart=map]')"))
    dot(driver, "map", 1)
    before = driver.execute_script(script)
    driver.find_element("id", "theme").click()
    until(lambda: all(a != b for a, b in zip(driver.execute_script(script), before, strict=True)))
    driver.execute_script("localStorage.clear()")


def test_a_dot_shows_its_parameters(opened: Callable[..., Any], shown: Outcome) -> None:
    driver = opened()
    best = shown.meets[0]
    assert card(driver) == ""
    move(driver, *dot(driver, "map", best.trial))
    text = until(lambda: card(driver))
    assert text.startswith(f"Trial {best.trial}")
    assert "confirmed" in text
    for name in ("learning rate", "dropout", "batch size", "L2 penalty"):
        assert name in text
    assert str(best.params["optimizer"]) in text
    lit = driver.execute_script("return document.querySelector('tr.lit').dataset.trial")
    assert int(lit) == best.trial
    assert complaints(driver) == []


def test_a_click_on_a_dot_opens_its_run(
    opened: Callable[..., Any], shown: Outcome, address: str
) -> None:
    driver = opened()
    (here,) = driver.window_handles
    best = shown.meets[0]
    x, y = dot(driver, "map", best.trial)
    move(driver, x, y, click=True)
    until(lambda: len(driver.window_handles) == 2)
    (other,) = set(driver.window_handles) - {here}
    driver.switch_to.window(other)
    try:
        until(lambda: driver.current_url == f"{address}/#/runs/{best.run_id}")
    finally:
        driver.close()
        driver.switch_to.window(here)


def test_a_link_in_the_table_leads_to_the_run(
    opened: Callable[..., Any], shown: Outcome, address: str
) -> None:
    driver = opened()
    (here,) = driver.window_handles
    driver.execute_script("document.getElementById('trial-7').scrollIntoView({block: 'center'})")
    driver.find_element("css selector", "#trial-7 a").click()
    until(lambda: len(driver.window_handles) == 2)
    (other,) = set(driver.window_handles) - {here}
    driver.switch_to.window(other)
    try:
        until(lambda: driver.current_url == f"{address}/#/runs/{shown.entries[7].run_id}")
    finally:
        driver.close()
        driver.switch_to.window(here)


def test_a_filter_hides_trials_in_table_and_charts(
    opened: Callable[..., Any], shown: Outcome
) -> None:
    driver = opened()
    dot(driver, "map", 1)
    assert len(rows(driver)) == len(shown.entries)
    button = driver.find_element("css selector", '#filters [data-state="meets"]')
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    expected = {e.trial for e in shown.meets if e.confirmation is None}
    until(lambda: set(rows(driver)) == expected)
    script = """
        const plot = document.querySelector('[data-chart=map] .js-plotly-plot');
        const seen = [];
        for (const trace of plot.data) (trace.customdata || []).forEach((trial, i) => {
            if (!trace.marker.opacity || trace.marker.opacity[i] === 1) seen.push(trial);
        });
        return seen"""
    dot(driver, "map", 1)
    until(lambda: set(driver.execute_script(script)) == expected)
    driver.find_element("css selector", "#filtered button").click()
    until(lambda: len(rows(driver)) == len(shown.entries))


def test_words_and_variants_filter_too(opened: Callable[..., Any], shown: Outcome) -> None:
    driver = opened()
    box = driver.find_element("id", "find")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", box)
    box.send_keys("sgd meets")
    expected = {
        e.trial for e in shown.meets if e.params["optimizer"] == "sgd" and e.confirmation is None
    }
    until(lambda: set(rows(driver)) == expected)
    box.clear()
    box.send_keys(" ")
    until(lambda: len(rows(driver)) == len(shown.entries))
    driver.find_element("css selector", "#filters [data-variants]").click()
    until(lambda: rows(driver) == [0])


def test_epochs_are_sorted_as_numbers(opened: Callable[..., Any], shown: Outcome) -> None:
    driver = opened()
    head = driver.find_element("xpath", "//table[@id='table']//button[text()='meets at']")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", head)
    head.click()
    firsts = [w[0][0] for n in rows(driver) if (w := shown.entries[n].windows)]
    assert firsts == sorted(firsts)
    assert len({len(str(n)) for n in firsts}) == 2, "one and two digits: else it proves nothing"


def test_the_table_is_sorted_by_a_column(opened: Callable[..., Any], shown: Outcome) -> None:
    driver = opened()
    head = driver.find_element("xpath", "//table[@id='table']//button[text()='validation']")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", head)

    def value(trial: int) -> float:
        found = shown.entries[trial].figure("val_accuracy")
        assert found is not None
        return found

    head.click()
    values = [value(trial) for trial in rows(driver)]
    assert values == sorted(values)
    head.click()
    values = [value(trial) for trial in rows(driver)]
    assert values == sorted(values, reverse=True)


def test_curves_are_switched_on_and_off(opened: Callable[..., Any], shown: Outcome) -> None:
    driver = opened()
    trial = shown.meets[0].trial
    script = """
        const plot = document.querySelector('[data-chart=accuracy] .js-plotly-plot');
        const mine = (trace) => trace.visible && trace.meta.trial === arguments[0];
        return plot && plot.data ? plot.data.filter(mine).length : 0"""
    button = driver.find_element("css selector", f'[data-series="{trial}"]')
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    until(lambda: driver.execute_script(script, trial) > 2)
    button.click()
    until(lambda: driver.execute_script(script, trial) == 0)
    assert button.get_attribute("aria-pressed") == "false"


def test_names_are_text_and_tabs_show_one_winner(opened: Callable[..., Any]) -> None:
    driver = opened()
    first = driver.find_element("id", "wrong-1")
    second = driver.find_element("id", "wrong-2")
    assert first.is_displayed()
    assert not second.is_displayed()
    assert "<b>boot</b>" in first.text
    tab = driver.find_element("id", "tab-2")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", tab)
    tab.click()
    until(second.is_displayed)
    assert not first.is_displayed()
    assert "a dreadful <i>film</i>" in second.text


def test_a_configuration_is_copied(opened: Callable[..., Any], shown: Outcome) -> None:
    driver = opened()
    driver.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]},
    )
    button = driver.find_element("css selector", "article.card .copy")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    expected = button.get_attribute("data-copy")
    button.click()
    until(lambda: "done" in button.get_attribute("class"))
    script = "navigator.clipboard.readText().then(arguments[0], (e) => arguments[0](String(e)))"
    assert driver.execute_async_script(script) == expected
    assert expected.startswith(f"# shown, trial {shown.meets[0].trial}")


def test_on_paper_the_page_is_light_and_complete(opened: Callable[..., Any]) -> None:
    driver = opened("desktop", "dark")
    driver.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    # A chart is marked when Plotly has drawn it, a moment later on a busy machine.
    script = """return [...document.querySelectorAll("[data-chart]")]
        .filter((box) => !box.querySelector("[data-drawn]")).map((box) => box.dataset.chart)"""
    try:
        until(lambda: driver.execute_script(script) == [])
    except AssertionError:
        pytest.fail(f"not drawn: {driver.execute_script(script)}; console: {complaints(driver)}")
    assert driver.execute_script("return document.documentElement.dataset.theme") == "light"
    driver.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert driver.execute_script("return document.documentElement.dataset.theme || ''") == ""
    assert complaints(driver) == []
