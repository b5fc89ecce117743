"""A real browser for the tests of the console: Chromium, headless, driven over its own protocol."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from tests.support import tool_missing

NAMES = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT_MS = 15_000
DESKTOP, PHONE = (1280, 800), (390, 844)


def chromium() -> str:
    """Return the path of a Chromium of this machine; without one, skip or in CI fail."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        tool_missing("chromium")
        raise AssertionError("unreachable")
    return path


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run a browser. Its own sandbox needs a user that is not root."""
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium(), args=flags)
        yield browser
        browser.close()


class Tab:
    """One tab of a window of its own, which keeps what went wrong in it and what it asked for."""

    def __init__(self, browser: Browser, url: str, size: tuple[int, int] = DESKTOP) -> None:
        self.url = url
        self.window = browser.new_context(viewport={"width": size[0], "height": size[1]}, locale="en-GB", timezone_id="UTC")
        self.page: Page = self.window.new_page()
        self.page.set_default_timeout(TIMEOUT_MS)
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        # A refusal of the API is shown to the operator by the page itself; the browser logs it all the same.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def _asked(self, request: Request) -> None:
        self.asked.append(request.url)

    def sign_in(self, username: str, password: str) -> None:
        """Open the console and sign in, by keyboard."""
        self.page.goto(f"{self.url}/console/")
        self.page.get_by_label("User name").fill(username)
        self.page.keyboard.press("Tab")
        self.page.keyboard.type(password)
        self.page.keyboard.press("Enter")

    def go(self, place: str) -> None:
        """Go to a place of the console: `vendors/7`."""
        self.page.evaluate("place => { location.hash = `#/${place}`; }", place)

    def close(self) -> None:
        """Close the window; fail for whatever went wrong in it, and for a request to anywhere else."""
        cookies = self.window.cookies()
        self.window.close()
        assert self.errors == []
        assert [address for address in self.asked if not address.startswith(f"{self.url}/")] == []
        assert cookies == [], "without cookies there is nothing that another site could use"
