"""The entry point of the command, of `python -m codeocean_cmdgen`, and of the single file."""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Run the program."""
    gc.disable()  # the process is short and mostly imports modules: there is nothing to collect
    from codeocean_cmdgen.cli import app  # noqa: PLC0415 - imported with the collector off

    try:
        app.main()
    finally:
        gc.freeze()  # nothing to collect at the end, either


if __name__ == "__main__":
    # `python -m` searches modules in the current folder first, which may belong to anybody.
    if sys.path[0] == os.getcwd():  # noqa: PTH109 - pathlib costs more than the command's start
        del sys.path[0]
    main()
