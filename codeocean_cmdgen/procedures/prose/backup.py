"""What the backup procedure tells people. See `Prose` for the words in braces."""

from __future__ import annotations

from codeocean_cmdgen.procedures.model import Heading, Prose
from codeocean_cmdgen.procedures.prose import shared

ACROSS_ACCOUNTS = Heading(
    "Cross-account backup",
    "You need this only if backup and source are in different accounts. The guide does it first.",
)

ENABLE_CROSS_ACCOUNT_BACKUP = Prose(
    title="Enable cross-account backup in the organization's management account",
    by_hand="Sign in to the organization's management account: no other account can turn this on.",
    otherwise="If source and backup share an account, skip this step.",
    done="Cross-account backup is on.",
    stop="The script reports that this is only a member account of the organization.",
)

SET_UP = Heading(
    "Set up",
    "After this part, AWS copies each new snapshot and replicates each new object.",
)

DEPLOY = Prose(
    title="Deploy the backup stack",
    by_hand=(
        "Set the source's account ID and, if needed, the Backup Retention Period: how many days "
        "the backup's buckets keep noncurrent versions, including those of deleted objects. Write "
        "both into `set` in `[backup.stack-create]`.\n"
        "Use the latest template, never one older than the release notes of your version require."
    ),
    otherwise=(
        "If a backup stack exists but is too old for the source's version, upgrade it: paste the "
        "script of `codeocean-cmdgen stack-parameters --values {file} --from backup --template-url "
        "URL`."
    ),
    done="The stack is CREATE_COMPLETE.",
    results=(
        "The stack's vault and buckets are the values of [backup]. If they are not in the "
        "deployment file yet, run `codeocean-cmdgen discover backup --values {file}` in this "
        "CloudShell, then generate this runbook again."
    ),
    stop=(
        "The stack already serves another source (it supports only one), or the source is older "
        "than 2.19."
    ),
)

SET_DESTINATION = Prose(
    title="Update the source's stack with the backup configuration",
    by_hand=(
        "The preset sets the vault, whether it is in another Region, the S3 key alias in the "
        "backup account, the storage class GLACIER_IR (readable without a retrieval), and the "
        "nine buckets.\n"
        "The backup schedule (a cron expression) and the retention in days are parameters of the "
        "same stack. To change them, add them to `set` in `[source.stack-parameters]`."
    ),
    done="The stack is UPDATE_COMPLETE.",
    results=(
        "The stack now has the role {s3_backup_role}, which step 4 needs: `codeocean-cmdgen "
        "discover source --values {file}` finds it."
    ),
    stop="The change set replaces a resource that holds data.",
)

REPLICATE = Prose(
    title="Replicate what is already in the buckets",
    by_hand=shared.REPLICATED,
    done="Each bucket is replicated, or proved empty.",
    results="From now on, S3 replicates new objects by itself.",
    stop="Objects failed: the script reports how many, and where to find the reasons.",
)

SAVE_SECRETS = Prose(
    title="Save the system's secrets, and schedule a daily save",
    by_hand=(
        "The guide restores secrets but never saves them: without this step there is nothing to "
        "restore. The script's header explains how to run it daily."
    ),
    done="The secrets file is on the data volume, so every snapshot contains it.",
    results="After volume-copy-in, secrets-restore restores them.",
    stop=shared.SECRETS_EXPOSED,
)

ON_DEMAND = Heading(
    "Back up on demand",
    "Do this before each upgrade, so that you can go back, and once to prove that the setup works. "
    "One script replaces the guide's two forms, for EBS and RDS.",
)

BACK_UP = Prose(
    title="Back up the data volume and the analytics database now",
    by_hand=(
        "To back up again, paste the script of `codeocean-cmdgen on-demand-backup --values {file} "
        "--run NAME`. `--retention-days` keeps the backup for longer than a day."
    ),
    done="Both recovery points are completed, and copied to the destination vault.",
    results="A restore copies them from there. They expire: note the date.",
    stop=(
        "A copy failed. Check that the policies of the destination vault and of its key allow the "
        "source's account."
    ),
)
