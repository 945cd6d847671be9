"""An `aws` on a simulated host that remembers what the guard of each script asks.

The real CLI answers it once; all else goes to the real CLI each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator.host import Host

_AWS = """#!/bin/bash
[[ $1 == --version || "$1 $2" == 'ec2 describe-instances' ]] || exec /usr/bin/aws "$@"
answer=/run/aws-answer-$1
if [[ ! -e ${answer} ]]; then
  /usr/bin/aws "$@" >"${answer}.$$" || exit
  mv "${answer}.$$" "${answer}"
fi
exec cat "${answer}"
"""


def remember_the_guard(host: Host) -> None:
    file = host.path("/usr/local/bin/aws")
    file.write_text(_AWS)
    file.chmod(0o755)
