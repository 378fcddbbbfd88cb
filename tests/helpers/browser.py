"""A real browser that looks at a live page: fixtures for modules that name this one in `pytest_plugins`."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.helpers.web import speaking_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (.ci/run installs it)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root, as in CI, Chromium has no sandbox.
        args = ["--no-sandbox"] if os.geteuid() == 0 else []
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=args)


def is_error(message):
    return message.type == "error" and not message.text.startswith("Failed to load resource")


@contextmanager
def windows(browser) -> Iterator[Callable[..., Any]]:
    """Yield a function that opens a page in a window of its own, or as a tab beside another, and waits until it knows
    its device. At the end, no script may have failed, and nothing may be an error on the console (such as a breach of
    the content policy) but what a device did not answer.
    """
    contexts, errors = [], []

    def open_page(page, width=1280, height=800, clock=False, beside=None, before=None, **options):
        if not beside:
            contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        tab = (beside.context if beside else contexts[-1]).new_page()
        if before:
            tab.add_init_script(before)
        tab.set_default_timeout(60_000)
        if clock:
            tab.clock.install()
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("console", lambda message: errors.append(message.text) if is_error(message) else None)
        tab.goto(f"http://127.0.0.1:{page.port}/")
        tab.wait_for_selector("#device:not(:empty)")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def opened(browser):
    """Opens pages as `windows` describes."""
    with windows(browser) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def shared_tab(browser):
    """One page for all tests of a module, which only call the functions of its scripts. Its times are UTC."""
    with speaking_page() as page, windows(browser) as open_page:
        yield open_page(page, timezone_id="UTC")


@pytest.fixture
def page():
    with speaking_page() as page:
        yield page


LOWEST_CONTRAST = """(pairs) => {
  const pixel = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
  const luminance = (colour) => {
    pixel.fillStyle = colour;
    pixel.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...pixel.getImageData(0, 0, 1, 1).data].map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return Math.min(...pairs.map((pair) => {
    const [low, high] = pair.map(luminance).sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  }));
}"""


@pytest.fixture
def lowest_contrast():
    """Return the lowest contrast (WCAG 2.2) of the pairs of colours that a function of a page returns."""
    return lambda tab, colours: tab.evaluate(LOWEST_CONTRAST, tab.evaluate(colours))
