"""Programs that scripts hold byte for byte and run with python3.

They run on Python 3.9, with the standard library and boto3 alone. A program of one module is a
file that its script runs with `python3 -I module.py`. A program of several modules imports them as
`from .module`: its script writes them into one folder, as a package, and runs
`python3 -E -s -m program.module` there, without -s if it needs the boto3 of CloudShell.
"""
