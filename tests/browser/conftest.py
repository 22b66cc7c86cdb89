"""Fixtures for tests in a real browser; without one, they are skipped."""

import base64
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
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
PATIENCE = 120_000  # milliseconds; a busy machine is slow
# Complaints that tests cause on purpose, by sending what is refused and by going offline. And
# Swagger UI says of every list of files that a component is missing, but shows the list.
EXPECTED_COMPLAINTS = ("status of 400", "ERR_INTERNET_DISCONNECTED", "JsonSchema_string_binary")


@pytest.fixture(autouse=True)
def _tiny_engine(engine_with_tiny_checkpoint):
    """Serve the tiny checkpoint instead of the shipped one."""


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
    """Open a page of the site; any complaint in the browser's console fails the test."""
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
    assert [text for text in complaints if not any(map(text.count, EXPECTED_COMPLAINTS))] == []


@pytest.fixture
def photograph(coffee_jpeg):
    """A file, in the form that Playwright's `set_input_files` takes."""
    return {"name": "coffee.jpg", "mimeType": "image/jpeg", "buffer": coffee_jpeg}


def choose(page, *files):
    page.locator("input[type=file]").set_input_files(list(files))


def rows(page, state=None):
    """The rows of the uploads, or only those in one state."""
    return page.locator(".row" if state is None else f".row[data-state={state}]")


def expect_captions(page, number=1):
    expect(rows(page, "done")).to_have_count(number)


def hand_over(page, event, *files):
    """Drop or paste the files; return whether the page prevented the browser's default action."""
    handed = [{**file, "buffer": base64.b64encode(file["buffer"]).decode()} for file in files]
    return page.evaluate(
        """
        ([event, files]) => {
            const data = new DataTransfer();
            for (const { name, mimeType, buffer } of files) {
                const bytes = Uint8Array.from(atob(buffer), (letter) => letter.charCodeAt(0));
                data.items.add(new File([bytes], name, { type: mimeType }));
            }
            const options = { bubbles: true, cancelable: true };
            const events = event === "paste"
                ? [new ClipboardEvent("paste", { ...options, clipboardData: data })]
                : ["dragover", "drop"].map((kind) =>
                    new DragEvent(kind, { ...options, dataTransfer: data }));
            return events.every((each) => !document.body.dispatchEvent(each));
        }
        """,
        [event, handed],
    )


def violations(page):
    """The accessibility rules that the page breaks, according to axe, and the elements that do."""
    return [
        (each["id"], [node["html"][:200] for node in each["nodes"]])
        for each in Axe().run(page).response["violations"]
    ]


def sign_up(page, password="correct horse battery", confirmation="correct horse battery"):
    """Fill in and send the sign-up form."""
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Email address").fill("alice@example.org")
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_label("Password confirmation").fill(confirmation)
    page.get_by_role("button", name="Sign up").click()
