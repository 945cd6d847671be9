"""The jq of the other tests: 1.7.1. The rehearsals run the machine's, which may be 1.6."""

from __future__ import annotations

import shutil
import subprocess

from tests.support.tools import JQ, require


def test_scripts_of_tests_run_it() -> None:
    require(JQ)
    assert shutil.which("jq") == str(JQ)
    version = subprocess.run(["jq", "--version"], check=True, capture_output=True, text=True)
    assert version.stdout == "jq-1.7.1\n"
