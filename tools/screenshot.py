"""Takes the picture of the runbook in README.md: python -m tools.screenshot."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from codeocean_cmdgen.inputs.deployment_file import read_deployment_file
from codeocean_cmdgen.rendering.documents import render_page
from codeocean_cmdgen.runbook import make

ROOT = Path(__file__).parent.parent
VALUES = ROOT / "codeocean_cmdgen" / "examples" / "deployment.toml"
PICTURE = ROOT / "docs" / "runbook.png"


def main() -> None:
    """Show a restore whose first steps are done."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder, "runbook.html")
        file.write_text(
            render_page(make("restore", read_deployment_file(VALUES))), encoding="ascii"
        )
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1360, "height": 860})
        page.goto(file.as_uri())
        for number in ("1", "2", "2a", "3", "4", "5"):
            page.get_by_role("checkbox", name=f"Step {number} is done", exact=True).check()
        page.goto(f"{file.as_uri()}#step-6")
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
