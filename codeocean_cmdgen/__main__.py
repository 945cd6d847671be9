"""Run the program with `python -m codeocean_cmdgen`, and from the single file."""

from codeocean_cmdgen.cli import main

main()
