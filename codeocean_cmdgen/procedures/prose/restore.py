"""What the restore procedure tells people. See `Prose` for the words in braces."""

from __future__ import annotations

from codeocean_cmdgen.procedures.model import Heading, Prose
from codeocean_cmdgen.procedures.prose import shared

DEPLOY_AND_COPY = Heading(
    "Deploy, and copy the backup data",
    "Create the new deployment and stop its service. Copy the backup's objects and snapshots "
    "to it.",
)

SET_DESTINATION = Prose(
    title="Update the backup stack with the restore configuration",
    by_hand=(
        "The preset sets the S3 key alias in the new deployment's account, and the new "
        "deployment's nine buckets."
    ),
    done="The stack is UPDATE_COMPLETE.",
    results=(
        "The stack now has the role S3RestoreRole, which step 6 needs: `codeocean-cmdgen "
        "discover backup --values {file}` finds it."
    ),
    stop=(
        "Run with `PLAN=1` first, the script lists a bucket that does not belong to the new "
        "deployment."
    ),
)

REPLICATE = Prose(
    title="Replicate S3 data from the backup to the new deployment",
    by_hand=shared.REPLICATED,
    done="Each bucket is replicated, or proved empty.",
    results=(
        "From here on, nothing may write to the new buckets. Step 15 needs the end time of the "
        "last job: `codeocean-cmdgen discover backup --values {file}` finds it."
    ),
    stop="The service that step 3 stopped is running again: it would delete replicated objects.",
)

SELECT_SNAPSHOTS = Prose(
    title="Select the EBS and RDS snapshots to restore",
    by_hand=(
        "Run `codeocean-cmdgen discover recovery-points --values {file}` in CloudShell of this "
        "account. It lists the pairs that belong together, newest first. Type the number of a "
        "pair: its ARNs and its creation time are written to the deployment file.\n"
        "If you chose the pair before this runbook was generated, check it again: both recovery "
        "points must belong to the same backup, and to the point in time that you want to go "
        "back to."
    ),
    where="AWS Backup > Backup vaults > the backup stack's vault > Recovery points.",
    takes="minutes.",
    done="One EBS and one RDS recovery point of the same backup are chosen.",
    results=(
        "snapshot-copy copies them. Step 15 goes back to the creation time of the EBS recovery "
        "point."
    ),
    stop="These are the wrong recovery points: choose again, and generate this runbook again.",
    seen_to="Already chosen: the recovery points are shown below.",
)

COPY_SNAPSHOTS = Prose(
    title="Copy the EBS and RDS snapshots to the new deployment",
    by_hand="You can follow the jobs in AWS Backup > Jobs of the backup account.",
    done="Both recovery points are in the new deployment's vault.",
    results="volume-restore and db-restore find them there.",
    stop="A copy failed: the script reports the reason.",
)

WAIT_FOR_COPIES = Prose(
    title="Wait for the copies of the snapshots to complete",
    by_hand=(
        shared.PASTE_AGAIN + " When the copies are complete, the new deployment's vault lists them."
    ),
    takes="minutes to hours.",
    done="The script's last line begins with `done:`.",
    stop="More than one EBS or RDS recovery point was copied into the vault: see step 10.",
    seen_to=shared.FOLLOWED,
)

RESTORE = Heading(
    "Restore",
    "Restore volume and database under temporary names, and copy their content into the new "
    "deployment.",
)

RESTORE_BUCKETS = Prose(
    title="Restore the S3 buckets to the exact snapshot time",
    by_hand=(
        "`at` is the point in time to go back to: the creation time of the EBS recovery point, "
        "which step 7 found. The snapshot may have been taken slightly later. A missing object "
        "is data loss; an extra one is harmless. So if the source's account is still accessible, "
        "use the completion time of that backup job (AWS Backup > Jobs > Backup jobs in the "
        "source's account), which is later and safer: write it as `at` into "
        "`[target.s3-point-in-time]`.\n"
        "`until` is the end of the last job of step 6: `codeocean-cmdgen discover backup "
        "--values {file}` finds it. A newer version in a bucket means that somebody uses it, and "
        "the script then changes nothing. If newer versions come only from the backup, which "
        "continues to replicate, set a later time: any is fine while the service is stopped.\n"
        "The guide does this after step 14. You can do it as soon as step 6 is done: the buckets "
        "do not depend on the volume or the database."
    ),
    otherwise=(
        "To be able to undo the restore, generate the script with `--reversible`. To compare only, "
        "generate it with `--verify`."
    ),
    done="Each bucket is as it was at that time, proved by listing it again.",
    stop="The plan removes more versions than you expect to have been written since the snapshot.",
)

CLEAN_UP = Heading(
    "Clean up",
    "Delete nothing before somebody has checked and accepted the restored deployment.",
)

AFTERWARDS = Prose(
    title="Afterwards",
    by_hand=(
        "The guide ends here. The backup stack still replicates to the new deployment. To end "
        "that, paste the script of `codeocean-cmdgen stack-parameters --values {file} --from "
        "backup --preset clear-restore-destination`.\n"
        "The replaced database is still on the instance. To remove it, paste the script of "
        "`codeocean-cmdgen db-copy-in --values {file} --drop-old`. To put it in place again "
        "instead, stop the service and use `--swap-back`.\n"
        "The new deployment has no backup of its own yet. To set one up, write a deployment file "
        "in which the new deployment is the [source], and follow `codeocean-cmdgen runbook backup "
        "--values FILE`."
    ),
    where="the place that the header of each script names.",
    takes="minutes.",
    done="The new deployment is protected as the old one was.",
    stop="You still need the old deployment: keep its backups.",
)
