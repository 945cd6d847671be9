"""How to follow a runbook: the same words in each, with the names of its files and places."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from codeocean_cmdgen import vendor
from codeocean_cmdgen.runbook.model import Commands
from codeocean_cmdgen.runbook.scripts import text_in

if TYPE_CHECKING:
    from codeocean_cmdgen.inputs.deployment_file import DeploymentFile

_ADVICE = (
    "Work from top to bottom. Open the shell that a step names, paste its script, and read the "
    "output. The step is done when the last line begins with `done:`. If the script ends in any "
    "other way, read the last line, fix the cause, and paste the script again. Nothing is done "
    "twice.\n"
    "To see what a script would do, type `export PLAN=1` first; `unset PLAN` ends that. "
    "With `export WATCH=0`, a script starts the work and does not wait: its last line begins with "
    "`started:`. To follow the work, type `unset WATCH` and paste the script again. CloudShell "
    "times out after 20 idle minutes; work in AWS continues.\n"
    "A script finds what an earlier one created by its name or tag, so you need not copy results. "
    "If a value is missing, the runbook shows the `discover` command that writes it into the "
    "deployment file, here `{file}`. Run it with the current credentials or with "
    "`--profile`, then generate the runbook again.\n"
    "Several scripts in one paste are one command: each runs only if the one before it is done. A "
    "script that asks for confirmation always comes last.\n"
    "All scripts on a services instance share a part, which you paste once, before the first of "
    "them. It stays in your home folder there, and every script checks it. If a script says that "
    "the text is incomplete, as in a session of another user, paste the shared part again.\n"
    "The SHA-256 beside each script is that of the pasted text, with the last newline. To check "
    "what you copied, type `sha256sum`, press Enter, paste, and press Ctrl-D. "
    "`codeocean-cmdgen verify FILE` compares a script with what this program prints, and shows the "
    "values in it; `-` instead of FILE reads a paste."
)
_PACK = """\
codeocean-cmdgen render {procedure} --values {file} --directory {procedure}
tar --create --gzip --file {procedure}.tar.gz {procedure}"""
_RUN = """\
tar --extract --gzip --file {procedure}.tar.gz
cd {procedure}
sha256sum --check SHA256SUMS
PLAN=1 bash {script}"""
_TO_THE_BUCKET = """\
bucket=$(
  aws cloudformation describe-stack-resource \\
    --region {region} \\
    --stack-name {stack_name} \\
    --logical-resource-id {temp_bucket} \\
    --query StackResourceDetail.PhysicalResourceId \\
    --output text
)
aws s3 cp codeocean-cmdgen.pyz "s3://${{bucket}}/" \\
  --region {region}"""
_TO_THE_INSTANCE = """\
bucket=$(sudo jq --raw-output .Buckets.Temp {stack_json})
aws s3 cp "s3://${{bucket}}/codeocean-cmdgen.pyz" . \\
  --region {region}
python3 codeocean-cmdgen.pyz --help"""


def advice(file: str) -> tuple[str, ...]:
    """Say how to follow a runbook, in paragraphs. file: the name of the deployment file."""
    return tuple(_ADVICE.format(file=file).splitlines())


def run_as_files(procedure: str, file: str, script: str) -> tuple[Commands, ...]:
    """Say how to run the scripts as files. script: the file name of one of them."""
    names = {"procedure": procedure, "file": file, "script": script}
    return (
        Commands(
            "You can also run the scripts as files instead of pasting them. These commands write "
            "the scripts and this runbook, with a list of their SHA-256, and pack them:",
            _PACK.format(**names),
        ),
        Commands(
            f"Upload `{procedure}.tar.gz` to the CloudShell that a step names (Actions > Upload "
            "file). Copy it to a services instance through the Temp bucket, as the next section "
            "shows for the program. Unpack it there and check it. The last command shows what a "
            "script would do; without `PLAN=1`, the script does it. You can set `WATCH=0` and "
            "`CONFIRM` in the same way. In each place, run only the scripts of that place, in the "
            "order of their numbers. Scripts in files do not need the shared part:",
            _RUN.format(**names),
        ),
    )


def transport(deployment: str, file: DeploymentFile) -> tuple[Commands, ...]:
    """Say how the program gets onto the deployment's services instance."""
    place = {
        name: shlex.quote(text_in(file, deployment, name))
        for name in ("account_id", "region", "stack_name")
    }
    return (
        Commands(
            "Scripts can be generated anywhere; the services instance does not need this program. "
            "To use it there without an Internet connection, run `make dist`, which creates one "
            "file, `codeocean-cmdgen.pyz`. It needs only python3. Upload it to CloudShell of the "
            f"{deployment}, account {place['account_id']} (Actions > Upload file), and from there "
            "to the Temp bucket of the deployment, which keeps objects for one day:",
            _TO_THE_BUCKET.format(**place, temp_bucket=vendor.TEMP_BUCKET),
        ),
        Commands(
            f"Then download it in an SSM session on the {deployment}'s services instance. The "
            "instance's role needs read access to the Temp bucket. If it has none, generate the "
            "scripts elsewhere and paste them.",
            _TO_THE_INSTANCE.format(**place, stack_json=vendor.STACK_JSON),
        ),
    )
