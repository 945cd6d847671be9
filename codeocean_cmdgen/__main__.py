"""Where the program starts: the command, `python -m codeocean_cmdgen`, and the single file."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the program."""
    gc.disable()  # this process is short, and most of it is imports: nothing to collect
    from codeocean_cmdgen import cli  # noqa: PLC0415 - after that

    try:
        cli.main()
    finally:
        gc.freeze()  # nor at the end


if __name__ == "__main__":
    main()
