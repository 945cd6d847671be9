"""What more than one procedure tells people. See `Prose` for the words in braces."""

from __future__ import annotations

from codeocean_cmdgen.procedures.model import Prose

PASTE_AGAIN = "If the shell has ended, paste the script again to keep watching."
SECRETS_EXPOSED = "Somebody who can read the snapshots must not see the secrets."
FOLLOWED = "The script of the previous step waits for this and ends with `done:`."
ONE_VERSION = (
    "Use the template of exactly the version that the source runs. The source stack's "
    "parameters, tags and template URL show that version.\n"
    "Copy other stack parameters from the source as needed: run `aws cloudformation "
    "describe-stacks --stack-name NAME --output json >source.json` in its account, then set "
    '`parameters_from = "source.json"` in `[target.stack-create]` of the deployment file. If '
    "the source is lost, take the parameters from your own records."
)
REPLICATED = (
    "You can follow the jobs in S3 > Batch Operations of this account. If a bucket has no "
    "objects, S3 reports its job as Failed; the script then proves that the bucket is empty "
    "and says so.\n"
    "If objects failed, fix what the script names, and generate the script again with "
    "another `--run`: a job that has ended is not repeated."
)
SEVERAL_POINTS = (
    "If several recovery points were copied into the vault, the script lists them and stops. "
    "Run `codeocean-cmdgen discover recovery-points --values {file} --from target` in "
    "this CloudShell and choose a pair by its number. Then paste the script of "
    "`codeocean-cmdgen {step} --values {file} --run {run}`."
)
"""What to do if a script finds several recovery points."""

DEPLOY = Prose(
    title="Deploy a new instance of Code Ocean VPC",
    by_hand=ONE_VERSION,
    otherwise=(
        "If the stack already exists, skip this step, and make sure that its parameter Restore "
        "source account ID names the right account: paste the script of `codeocean-cmdgen "
        "stack-parameters --values {file} --from target --preset restore-source`."
    ),
    done="The stack is CREATE_COMPLETE.",
    results=(
        "The stack's resources are the values of [target]. If they are not in the deployment "
        "file yet, run `codeocean-cmdgen discover target --values {file}` in this CloudShell, "
        "then generate this runbook again."
    ),
    stop="The versions of source and target differ: a restore between versions is not supported.",
)

WAIT_FOR_DEPLOYMENT = Prose(
    title="Wait for the stack creation to complete",
    by_hand=PASTE_AGAIN,
    takes="about half an hour.",
    done="The script's last line begins with `done:`.",
    stop=(
        "The stack was rolled back. Its events name the first failure. Delete the stack, fix the "
        "cause, and start again."
    ),
    seen_to=FOLLOWED,
)

HOLD_INSTANCE = Prose(
    title="Keep the services instance from being replaced",
    done="The group's processes are suspended, and a tag on the group lists them.",
    results="instance-release resumes them at the end.",
    stop="The group has no instance in service: find out why first.",
)

STOP_SERVICE = Prose(
    title="Stop the codeocean systemd service",
    by_hand=(
        "Open an SSM session on the services instance of the new deployment: EC2 > Instances > "
        "the instance > Connect > Session Manager."
    ),
    done="The service is stopped and masked, and nothing can write to the data volume.",
    results="service-start reverses this near the end.",
    stop=(
        "The script has not ended with `done:`. Replicate nothing before then: the cleanup of "
        "the running application would delete replicated data."
    ),
)

WAIT_FOR_STACK = Prose(
    title="Wait for the stack update to complete",
    by_hand=PASTE_AGAIN,
    takes="minutes.",
    done="The script's last line begins with `done:`.",
    stop=(
        "The update was rolled back. The script names the first failure. Fix its cause, and "
        "generate the script with a new `--run`."
    ),
    seen_to=FOLLOWED,
)

RESTORE_VOLUME = Prose(
    title="Restore a temporary EBS volume from the EBS snapshot",
    otherwise=SEVERAL_POINTS,
    done=(
        "The volume exists: gp3, in the data volume's zone, with its throughput and at least its "
        "size, encrypted with the default key, and tagged with this run."
    ),
    results="volume-copy-in finds the volume by its tag: you do not need to note its ID.",
    stop="This is the wrong recovery point: its creation time is not the one that you expect.",
)

RESTORE_DATABASE = Prose(
    title="Restore a temporary RDS DB instance from the RDS snapshot",
    otherwise=SEVERAL_POINTS,
    done=(
        "The instance {temporary_database} is available: db.t3.micro, gp3, no standby, no IAM "
        "authentication, in the deployment's own VPC, security groups and parameter group. The "
        "deployment's master password is in effect on it."
    ),
    results=(
        "The script of db-copy-in contains the endpoint. Compare it with the one that this "
        "script prints."
    ),
    stop="The recovery point does not belong to the same backup as the volume's.",
)

START_SESSION = Prose(
    title="Start an SSM session on the services instance",
    by_hand=(
        "Open a session on the services instance of the new deployment, in the console or with "
        "`aws ssm start-session --target INSTANCE`."
    ),
    where="EC2 > Instances > the instance > Connect > Session Manager.",
    takes=(
        "a minute. A session times out after 20 idle minutes. Copies then continue in the "
        "background; paste any other script again."
    ),
    done="You see a prompt. Each script checks that it runs on the right machine.",
    stop="This is not the instance that service-stop ran on: stop the service here first.",
)

COPY_IN_VOLUME = Prose(
    title="Copy in data from the restored EBS volume",
    by_hand="The script attaches the restored volume itself.",
    done=("Both volumes are equal: compared by content, and below /workspaces by size and time."),
    results="If the copy contains saved secrets, secrets-restore reads them.",
    stop=(
        "The data volume holds data that you still need: the copy deletes it permanently. Back "
        "it up first: `codeocean-cmdgen on-demand-backup --from target --values {file}` generates "
        "the script."
    ),
)

COPY_IN_DATABASE = Prose(
    title="Copy in data from the restored RDS DB",
    done=(
        "The database has the restored content: rows, definitions, owners and grants are compared."
    ),
    results=(
        "The previous database is kept on the same instance: db-copy-in --swap-back puts it in "
        "place again, until db-copy-in --drop-old removes it."
    ),
    stop="The instance has less free storage than the size of the database.",
)

RESTORE_SECRETS = Prose(
    title="Restore the system secrets",
    otherwise=(
        "If the volume contains no secrets because secrets-save never ran, ask the vendor for "
        "the command, and pass it as --command."
    ),
    done="Every saved secret has its value again, matched by name.",
    results="The application reads them when it starts.",
    stop="The listed names are not those of the source.",
)

START_SERVICE = Prose(
    title="Start the codeocean service",
    done=(
        "The service is active, and its health endpoint answers, if its path is known. Log in, "
        "and check a capsule and its data."
    ),
    results="From here on, people may work, and the application's cleanup runs.",
    stop="The volume, the database, the buckets or the secrets are not restored yet.",
)

RESET_DATASETS = Prose(
    title="Set the state of all datasets to not-cached",
    done="The vendor's job has completed.",
    stop="The command is not for the installed version.",
)

RELEASE_INSTANCE = Prose(
    title="Allow the services instance to be replaced again",
    done="The group's processes are resumed.",
    stop="The script reports that the instance is unhealthy: fix it first.",
)

UNMOUNT_VOLUME = Prose(
    title="Unmount the restored EBS volume",
    by_hand=(
        "You can do this as soon as volume-copy-in is done: nothing reads the restored volume "
        "after that. The volume stays attached, and volume-copy-in can mount it again."
    ),
    done="The volume is not mounted anywhere.",
    results="volume-delete may detach it.",
    stop=(
        "Something still uses the volume: the script names it. Stop that before you detach the "
        "volume."
    ),
)

DELETE_VOLUME = Prose(
    title="Detach and delete the restored EBS volume",
    done="The volume is deleted.",
    stop=(
        "Nobody has accepted the copied data yet, or the volume ID that the script names is not "
        "that of the restored volume."
    ),
)

DELETE_DATABASE = Prose(
    title="Delete the restored RDS DB",
    done="The instance and its automated backups are deleted. No final snapshot is taken.",
    stop="Nobody has checked the analytics of the new deployment yet.",
)
