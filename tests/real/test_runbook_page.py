"""The runbook as a page, in a browser: it copies byte by byte, remembers, and asks no network."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from codeocean_cmdgen.inputs.deployment_file import read_deployment_file
from codeocean_cmdgen.inputs.example import EXAMPLE
from codeocean_cmdgen.rendering.documents import render_page
from codeocean_cmdgen.runbook import Runbook, make
from tests.support.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

VALUES = EXAMPLE
OTHER_ACCOUNT = """#!/bin/sh
if [ "$1" = --version ]; then echo aws-cli/2.31.0; exit; fi
echo '{"Arn": "arn:aws:iam::999999999999:user/somebody"}'
"""


ASK_THE_NETWORK = """
new Promise((resolve) => {
  addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective));
  fetch("http://127.0.0.1:9/").catch(() => setTimeout(() => resolve("nothing"), 1000));
})
"""


@pytest.fixture(scope="module")
def runbook() -> Runbook:
    return make("restore", read_deployment_file(VALUES))


@pytest.fixture(scope="module")
def url(runbook: Runbook, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("page") / "runbook.html"
    file.write_text(render_page(runbook))
    return file.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = require("chromium")
    with sync_playwright() as playwright:
        # Root, as in a container, has no sandbox in Chromium.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A person's browser, in which nothing may be asked of the network, and nothing go wrong."""
    context = browser.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    yield page
    assert {one.partition("#")[0] for one in asked} == {url}
    assert complaints == []
    context.close()


def clipboard(page: Page) -> str:
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def test_each_button_copies_its_script_byte_by_byte(page: Page, runbook: Runbook) -> None:
    for entry in runbook.entries:
        parts = [part for part in entry.parts if part]
        wanted = {
            f"Copy {entry.file}{f', paste {number} of {len(parts)}' * (len(parts) > 1)}": part
            for number, part in enumerate(parts, 1)
        }
        if entry.pasting.shared:
            wanted["Copy the shared part"] = entry.pasting.shared
        if entry.pasting.joined:
            wanted[f"Copy {entry.pasting.joined.title}"] = entry.pasting.joined.text
        article = page.locator(f"#{entry.anchor}")
        assert article.get_by_role("button").count() == len(wanted)
        for name, text in wanted.items():
            article.get_by_role("button", name=name, exact=True).click()
            what = name.replace("Copy", "Copied")
            where = f"the {entry.place.shell} of the {entry.place.deployment}, account"
            page.get_by_role("status").get_by_text(f"{what}. Paste it into {where}").wait_for()
            assert clipboard(page) == text


def test_what_was_copied_passes_its_own_digest(page: Page, tmp_path: Path) -> None:
    """It gets as far as its place guard, which finds itself in another account."""
    page.get_by_role("button", name="Copy steps 1 and 2a").click()
    page.get_by_role("status").get_by_text("Copied").wait_for()
    aws = tmp_path / "aws"
    aws.write_text(OTHER_ACCOUNT)
    aws.chmod(0o700)
    done = subprocess.run(
        ["bash"],
        input=clipboard(page),
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.startswith("stopped: this shell works as arn:aws:iam::999999999999:user/")
    assert done.stderr.count("stopped:") == 1, "the second ran, though the first was not done"


def test_what_was_checked_off_and_noted_is_there_again(
    page: Page, browser: Browser, tmp_path: Path
) -> None:
    page.get_by_role("checkbox", name="Step 1 is done", exact=True).check()
    page.get_by_role("checkbox", name="Step 3 is done", exact=True).check()
    page.get_by_label("Notes on step 3", exact=True).fill("03:12 <b>all quiet</b>")
    page.reload()
    assert page.get_by_role("checkbox", name="Step 3 is done", exact=True).is_checked()
    assert not page.get_by_role("checkbox", name="Step 2 is done", exact=True).is_checked()
    note = page.get_by_label("Notes on step 3", exact=True)
    assert note.input_value() == "03:12 <b>all quiet</b>"
    assert page.locator("#step-3 time").inner_text() != ""
    page.get_by_text("2 of 24 done").wait_for()
    assert page.get_by_role("progressbar").get_attribute("value") == "2"
    page.get_by_role("link", name="Next: 2 Wait").click()
    assert page.url.endswith("#step-2")
    page.get_by_role("checkbox", name="Step 1 is done", exact=True).uncheck()
    page.get_by_text("1 of 24 done").wait_for()

    other = tmp_path / "runbook.html"
    other.write_text(render_page(make("backup", read_deployment_file(VALUES))))
    tab = page.context.new_page()
    tab.goto(other.as_uri())
    tab.get_by_text("0 of 7 done").wait_for()


def test_a_runbook_that_was_generated_again_imports_what_was_done(
    page: Page, url: str, tmp_path: Path
) -> None:
    values = tmp_path / "deployment.toml"
    values.write_text(VALUES.read_text().replace("until = ", "# until = "))
    anew = tmp_path / "anew.html"
    anew.write_text(render_page(make("restore", read_deployment_file(values))))
    page.get_by_role("checkbox", name="Step 4 is done", exact=True).check()
    page.get_by_label("Notes on step 4", exact=True).fill("quiet")
    assert not page.locator("#earlier").is_visible()
    tab = page.context.new_page()
    tab.goto(anew.as_uri())
    tab.get_by_text("0 of 24 done").wait_for()
    tab.get_by_role("button", name="Import progress from the earlier runbook (1)").click()
    tab.get_by_text("1 of 24 done").wait_for()
    assert tab.get_by_label("Notes on step 4", exact=True).input_value() == "quiet"
    assert not tab.locator("#earlier").is_visible()
    tab.get_by_role("button", name="Copy the command").last.click()
    tab.get_by_role("status").get_by_text("Copied the command").wait_for()
    assert clipboard(tab).startswith("codeocean-cmdgen discover backup --values deployment.toml\n")
    tab.reload()
    tab.get_by_text("1 of 24 done").wait_for()


def test_the_keyboard_is_enough(page: Page, runbook: Runbook) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the first step"
    page.keyboard.press("Enter")
    for _ in range(9):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Copy steps 1 and 2a":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.get_by_role("status").get_by_text("Copied").wait_for()
    assert runbook.entries[0].pasting.joined
    assert clipboard(page) == runbook.entries[0].pasting.joined.text
    for _ in range(9):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.type") == "checkbox":
            break
    page.keyboard.press("Space")
    page.get_by_text("1 of 24 done").wait_for()


def test_nothing_could_be_asked_of_the_network(browser: Browser, url: str) -> None:
    page = browser.new_page()
    page.goto(url)
    refused_by = page.evaluate(ASK_THE_NETWORK)
    assert refused_by == "connect-src"
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it(browser: Browser, url: str, scheme: str) -> None:
    page = browser.new_page(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(url)
    page.get_by_text("Read 01-stack-create.sh").click()
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(246, 247, 249)") == (scheme == "light")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.close()


def test_it_is_a_document_without_any_program(browser: Browser, url: str, runbook: Runbook) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(url)
    assert not any(one.is_visible() for one in page.get_by_role("button").all())
    page.get_by_text("Read 03-service-stop.sh").click()
    (stop,) = (one for one in runbook.entries if one.file == "03-service-stop.sh")
    shown = page.locator(f"#script-{stop.anchor}")
    assert shown.is_visible()
    assert (shown.text_content(),) == stop.parts
    page.get_by_text("Read the shared part").click()
    shared = page.locator(f"#shared-{stop.anchor}")
    assert shared.is_visible()
    assert shared.text_content() == stop.pasting.shared
    page.close()


def test_it_is_printed_without_what_a_screen_is_for(page: Page) -> None:
    assert len(page.pdf()) > 50_000
    page.emulate_media(media="print")
    assert not any(one.is_visible() for one in page.get_by_role("button").all())
    assert page.get_by_role("heading", name="13 Copy in data").is_visible()
