"""What was reviewed is what runs: read the values of a script, render it again, and compare.

No shell reads the script. Only what the quoter prints counts as a value, and it must be a value of
its kind. All the rest is compared byte by byte with what this release prints of these values. So a
reviewer reads the texts of a release once, and afterwards only values.
"""

from codeocean_cmdgen.verify.files import MOST_BYTES, of_paths
from codeocean_cmdgen.verify.report import as_json, as_text, summary
from codeocean_cmdgen.verify.verdicts import VERIFIED

__all__ = ["MOST_BYTES", "VERIFIED", "as_json", "as_text", "of_paths", "summary"]
