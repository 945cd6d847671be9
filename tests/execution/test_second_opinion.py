"""Rule 9 of the contract: what the scripts call is known to old and new releases of the AWS CLI.

The old one, v2 2.9, runs the scripts in all these tests; the simulator checks each request against
the newest service models. Here the newest CLI, v1, has its say on each command line.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from codeocean_cmdgen.simulator import Simulator, example_world
from tests.support.cases import CLOUDSHELL
from tests.support.people import PersonOf, script

if TYPE_CHECKING:
    from pathlib import Path

RECORDER = """#!/bin/bash
jq --null-input --compact-output '$ARGS.positional' --args -- "$@" >>"$RECORD"
PATH=${PATH#*:}
exec aws "$@"
"""
# Nobody listens there: a command line that gets as far as that was accepted.
OPINION = """
import json, sys
from awscli.clidriver import create_clidriver
driver = create_clidriver()  # one for all: it reads the model of each service once
for line in sys.stdin:
    arguments = json.loads(line)
    code = driver.main([*arguments, "--endpoint-url", "http://127.0.0.1:9"])
    print(json.dumps([code, arguments]))
"""


def test_every_command_line_is_known_to_the_newest_cli(
    simulator: Simulator, person: PersonOf, tmp_path: Path
) -> None:
    example_world(simulator, objects_per_bucket=1)
    recorder = tmp_path / "recorder"
    recorder.mkdir()
    (recorder / "aws").write_text(RECORDER)
    (recorder / "aws").chmod(0o700)
    record = tmp_path / "record"
    simulator.faults.add("s3control:CreateJob", "fail-job")  # so that describe-job is called
    said = ""
    for case in CLOUDSHELL.values():
        operator = person(case.account)
        said += operator.run(
            script(case.name, **case.values),
            PATH=f"{recorder}:{operator.environment['PATH']}",
            RECORD=str(record),
            CONFIRM=case.answer(said),
        ).output
    # What db-restore had there is gone.
    (tmp_path / "modification").write_text('{"DBInstanceIdentifier": "x"}')
    lines = {line for line in record.read_text().splitlines() if "--version" not in line}
    (tmp_path / "parameters").write_text("[]")  # which a script passes as a file of its own
    done = subprocess.run(
        [sys.executable, "-c", OPINION],
        cwd=tmp_path,
        input="\n".join(sorted(lines)),
        env={"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_MAX_ATTEMPTS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    opinions = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert done.stderr.count("Could not connect") == len(lines), done.stderr
    assert {code for code, _ in opinions} == {255}
    operations = {" ".join(arguments[:2]) for _, arguments in opinions}
    assert len(opinions) == len(lines)
    assert operations == {
        "autoscaling create-or-update-tags",
        "autoscaling describe-auto-scaling-groups",
        "autoscaling resume-processes",
        "autoscaling suspend-processes",
        "backup describe-backup-job",
        "backup describe-backup-vault",
        "backup describe-copy-job",
        "backup describe-global-settings",
        "backup describe-recovery-point",
        "backup describe-restore-job",
        "backup list-copy-jobs",
        "backup list-recovery-points-by-backup-vault",
        "backup list-restore-jobs",
        "backup start-backup-job",
        "backup start-copy-job",
        "backup start-restore-job",
        "backup update-global-settings",
        "cloudformation create-change-set",
        "cloudformation create-stack",
        "cloudformation describe-change-set",
        "cloudformation describe-stack-events",
        "cloudformation describe-stack-resource",
        "cloudformation describe-stacks",
        "cloudformation execute-change-set",
        "cloudformation get-template-summary",
        "ec2 create-tags",
        "ec2 delete-volume",
        "ec2 describe-snapshots",
        "ec2 describe-volumes",
        "iam get-role",
        "kms describe-key",
        "organizations describe-organization",
        "rds add-tags-to-resource",
        "rds delete-db-instance",
        "rds describe-db-instance-automated-backups",
        "rds describe-db-instances",
        "rds describe-db-snapshots",
        "rds modify-db-instance",
        "s3api get-bucket-encryption",
        "s3api get-bucket-lifecycle-configuration",
        "s3api get-bucket-location",
        "s3api get-bucket-replication",
        "s3api get-bucket-versioning",
        "s3api list-object-versions",
        "s3control create-job",
        "s3control describe-job",
        "s3control list-jobs",
        "secretsmanager get-secret-value",
        "sts get-caller-identity",
    }
