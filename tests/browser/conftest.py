"""A real browser; without one these tests are skipped."""

import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 120_000  # milliseconds; on a busy machine everything takes long
# Of what browsers complain about, this alone is no defect: the remark that an upload was refused.
REFUSAL = "status of 400"


@pytest.fixture(autouse=True)
def _tiny_engine(engine_with_tiny_checkpoint):
    """Tests here caption with the tiny checkpoint, whether or not another is shipped."""


@pytest.fixture(scope="package")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with sync_playwright() as playwright, pytest.MonkeyPatch.context() as patch:
        # Playwright keeps an event loop in this thread; Django would then refuse its database.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, live_server):
    """Open a page of the site; whatever the browser then complains of fails the test."""
    contexts, complaints = [], []

    def open_page(path="/", **options):
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(live_server.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [text for text in complaints if REFUSAL not in text] == []


@pytest.fixture
def photograph(coffee_jpeg):
    """A file as Playwright chooses it."""
    return {"name": "coffee.jpg", "mimeType": "image/jpeg", "buffer": coffee_jpeg}
