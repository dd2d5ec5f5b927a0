"""Chromium, driven by Playwright, and a web server for the pages that tests open in it."""

import contextlib
import functools
import http.server
import shutil
import threading
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


@contextlib.contextmanager
def chromium():
    """A headless Chromium with a camera that shows a test picture; skips where there is none.

    Playwright leaves an event loop running in this thread until the browser is closed. Whatever
    starts one of its own, as Orbax does to read a checkpoint, must be called before.
    """
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path  # of `playwright install chromium`
        found = next(filter(None, map(shutil.which, (*_NAMES, own))), None)
        if found is None:
            pytest.skip("needs Chromium: apt-get install chromium, or playwright install chromium")
        camera = "--use-fake-device-for-media-stream"
        browser = playwright.chromium.launch(executable_path=found, args=[camera])
        yield browser
        browser.close()


@contextlib.contextmanager
def served(folder: Path):
    """A web server for a folder on this machine: (its address, the paths asked of it)."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", asked
        finally:
            server.shutdown()
            thread.join()


def cut_off(page, within: str) -> list[str]:
    """The visible elements of a page, of those that a selector names, that pass its right edge."""
    return page.locator(within).evaluate_all(
        """(elements, width) => elements.filter((element) => {
            const box = element.getBoundingClientRect()
            return box.width > 1 && box.right > document.documentElement.clientWidth + 1
        }).map((element) => element.outerHTML.slice(0, 120))"""
    )
