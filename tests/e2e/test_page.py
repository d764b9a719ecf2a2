"""The page in a real browser: every flow, no errors, no request that leaves the machine, readable by everybody."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import run_cli

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SHOTS = os.environ.get("INTERNVIDEO_SHOTS")  # a folder that receives pictures of every page

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]
api = pytest.importorskip("playwright.sync_api")


def wait_until(page, expression, arg=None, seconds=20.0):
    """Until `expression` is true in the page. Playwright's own waiting uses `eval`, which the page's policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end, expression
        time.sleep(0.05)


@pytest.fixture(scope="module")
def address(films, tmp_path_factory):
    """A curated and indexed world, served."""
    dataset = tmp_path_factory.mktemp("page") / "dataset"
    run_cli("curate", films, "--out", dataset, check=1)
    run_cli("index", films, "--out", dataset, "--model", "viclip-b-16-debug", check=1)
    command = [sys.executable, "-m", "internvideo", "serve", str(dataset), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def browser():
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(params=[("light", 1440, 900), ("dark", 390, 844)], ids=["light and wide", "dark and small"])
def page(request, browser, address):
    scheme, width, height = request.param
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        permissions=["clipboard-read", "clipboard-write"],
    )
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    errors, asked = [], []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    opened.on("request", lambda request: asked.append(request.url))
    opened.label = f"{scheme}-{width}"
    yield opened
    context.close()
    refused = "the server responded with a status of 400"  # asked for by a test
    assert not [error for error in errors if refused not in error]
    strangers = [url for url in asked if not url.startswith((address, "data:", "blob:" + address))]
    assert not strangers, "no request leaves the machine"


def shot(page, name):
    if SHOTS:
        page.wait_for_timeout(1500)
        page.screenshot(path=str(Path(SHOTS) / f"{name}-{page.label}.png"))


def check_readable(page):
    """No violation that axe knows."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    told = [(one["id"], [node["html"][:120] for node in one["nodes"][:2]]) for one in found]
    assert not told, json.dumps(told, indent=1)


def test_search_play_and_search_on(page, address):
    page.goto(address, wait_until="domcontentloaded")
    page.wait_for_selector("text=From the films")
    check_readable(page)
    shot(page, "home")
    page.keyboard.press("Tab")
    page.locator("input[type=search]").fill("circle")
    page.keyboard.press("Enter")
    page.wait_for_selector(".results .card")
    assert "#/search?q=circle" in page.url
    assert page.locator(".results .card .score").first.inner_text().endswith("%")
    assert page.locator(".results mark").first.inner_text().lower().startswith("circle")
    check_readable(page)
    shot(page, "results")
    first = page.locator(".results .card").first
    first.hover()
    wait_until(page, "document.querySelector('.results .card img').src.includes('/preview')")
    first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#player .timeline svg .now", state="attached")
    wait_until(page, "document.querySelector('#player video').readyState >= 2")
    check_readable(page)
    shot(page, "player")
    page.keyboard.press("i")
    page.keyboard.press("s")
    page.wait_for_selector(".chip")
    page.wait_for_selector(".results .card, .results .empty:not([aria-busy])")
    assert "like=" in page.url
    shared = page.url
    page.goto("about:blank")
    page.goto(shared)
    page.wait_for_selector(".result-head")
    assert "Like" in page.locator(".chip").inner_text(), "a link restores a search"


def test_nothing_relevant_is_said_and_filters_are_kept_in_the_link(page, address):
    page.goto(f"{address}#/search?q=zebra+spaceship&max_seconds=60")
    page.wait_for_selector(".result-head")
    assert page.locator(".result-head h2").inner_text().startswith("Nothing relevant among")
    assert page.locator("input[name=max_seconds]").input_value() == "60"
    page.goto(f"{address}#/search?q=circle&where=nonsense%3E1")
    page.wait_for_selector(".empty.bad")
    assert "no column" in page.locator(".empty.bad").inner_text().lower()


def test_a_pasted_picture_searches(page, address):
    page.goto(f"{address}#/search?q=circle")
    page.wait_for_selector(".results .card")
    page.evaluate(
        """async () => {
            const frame = await (await fetch(document.querySelector('.results .card img').src)).blob();
            const data = new DataTransfer();
            data.items.add(new File([frame], 'pasted.jpg', {type: 'image/jpeg'}));
            document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true}));
        }"""
    )
    page.wait_for_selector(".chip:has-text('pasted.jpg')")
    page.wait_for_selector(".result-head:has-text('by vectors')")


def test_classify_over_time(page, address):
    page.goto(f"{address}#/classify")
    page.fill("input[name=labels]", "a red circle, a blue square, nothing")
    page.click("main button[type=submit]")
    page.wait_for_selector(".heat .cell")
    assert page.locator(".heat tbody tr").count() == 3
    check_readable(page)
    shot(page, "classify")
    page.locator(".heat .cell").first.click()
    page.wait_for_selector("#player[open]")


def test_browse_ranges_verdicts_groups_and_failures(page, address):
    page.goto(f"{address}#/browse")
    page.wait_for_selector(".charts .chart")
    page.wait_for_selector(".grid .card")
    check_readable(page)
    shot(page, "browse")
    before = page.locator(".live strong").inner_text()
    slider = page.locator(".chart:has(legend:text-is('seconds')) input").first
    slider.focus()
    for _ in range(60):
        page.keyboard.press("ArrowRight")
    wait_until(page, "text => document.querySelector('.live strong').textContent !== text", arg=before)
    assert page.locator(".border .card").count() > 0
    page.locator(".section > div .grid .card").first.focus()
    with page.expect_response("**/verdicts") as answer:
        page.keyboard.press("k")
    assert answer.value.json()["verdict"] == "keep"
    page.locator(".section > div .grid .card").first.click()
    page.wait_for_selector("#clip[open] .scores")
    check_readable(page)
    shot(page, "clip")
    page.keyboard.press("Escape")
    page.locator("summary:has-text('Near-duplicates')").click()
    page.wait_for_selector(".group .card")
    page.locator("summary:has-text('Failures')").click()
    assert "broken-empty.mp4" in page.locator("main").inner_text()


def test_jobs_tell_their_progress_and_models_their_licences(page, address):
    page.goto(f"{address}#/jobs")
    page.click("text=Look for new files")
    page.wait_for_selector(".state.done", timeout=120_000)
    check_readable(page)
    shot(page, "jobs")
    page.goto(f"{address}#/models")
    page.wait_for_selector("table")
    assert re.search(r"CC-BY-NC-SA-4.0\s+not for commercial use", page.locator("table").inner_text())
    check_readable(page)
    shot(page, "models")
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") in ("light", "dark")
    page.wait_for_timeout(300)
    check_readable(page)
