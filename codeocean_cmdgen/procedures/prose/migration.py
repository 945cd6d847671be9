"""What the migration procedure tells people. See `Prose` for the words in braces."""

from __future__ import annotations

from codeocean_cmdgen.procedures.model import Heading, Prose
from codeocean_cmdgen.procedures.prose import shared

PHASE_1 = Heading(
    "Phase 1: set up",
    "In the background, while people continue to work on the source: copy most of the data.",
)

DEPLOY = shared.DEPLOY._replace(
    by_hand=(
        shared.ONE_VERSION + "\n"
        "If you choose DNS validation for the ACM certificate, first use another domain than the "
        "source's, and change it when you switch DNS."
    )
)

SET_DESTINATION = Prose(
    title="Update the source's stack with the new deployment as destination",
    by_hand=(
        "The preset sets the vault of the new deployment, whether it is in another Region, the "
        "S3 key alias in its account, the storage class STANDARD (not GLACIER_IR), and its nine "
        "buckets."
    ),
    done="The stack is UPDATE_COMPLETE.",
    results=(
        "The stack now has the role {s3_backup_role}, which step 1.6 needs: `codeocean-cmdgen "
        "discover source --values {file}` finds it."
    ),
    stop=(
        "The source is backed up to a backup stack. That backup ends here, because a stack has "
        "one destination. Decide first whether the last backup there is enough."
    ),
)

REPLICATE = Prose(
    title="Replicate what is already in the source's buckets",
    by_hand=shared.REPLICATED,
    done="Each bucket is replicated, or proved empty.",
    results="From now on, S3 replicates new objects by itself.",
    stop="The service stopped in step 1.3 runs again: it would delete replicated objects.",
)

BACK_UP_VOLUME = Prose(
    title="Create an on-demand backup of the source's data volume",
    by_hand="The script also backs up the database, which is small. This backup of it is not used.",
    done="Both recovery points are completed, and copied to the new deployment.",
    results="volume-restore finds the copy in the new deployment's vault.",
    stop="A copy failed: the vault's policy does not allow the source.",
)

WAIT_FOR_COPY = Prose(
    title="Wait for the snapshot to be copied to the new deployment's vault",
    by_hand=(
        "If the shell ended in the meantime, paste the script again: it continues to watch. When "
        "it ends, the vault lists the copy under Recovery points."
    ),
    takes="minutes to hours.",
    done="The script's last line begins with `done:`.",
    stop="The copy failed: the policy of the new deployment's vault does not allow the source.",
    seen_to=shared.FOLLOWED,
)

PHASE_1_VOLUME = Heading(
    "Phase 1, step 1.9: copy most of the volume's data",
    "Restore steps 10, 12, 13 and 19, with the run named bulk. Data that is copied now need "
    "not be copied during the downtime.",
)

PHASE_2 = Heading(
    "Phase 2: switch",
    "From here on nobody can work until DNS is switched. To go back before that, start the "
    "source's service again.",
)

STOP_WORK = Prose(
    title="Stop work, and bring down the source deployment",
    by_hand=(
        "Announce the downtime, ask people to save and stop their work, and wait until no "
        "computation runs.\n"
        "Check that replication has caught up: S3 > each bucket > Metrics > Replication metrics. "
        "To replicate what is left, run `codeocean-cmdgen s3-batch-replication --values {file} "
        "--only-missing --run switch`."
    ),
    where="Code Ocean's admin panel, as described in the vendor's administration guide.",
    takes="as long as people need to finish their work.",
    done="Nobody works on the source, and nothing is left to replicate.",
    stop="Somebody cannot stop now: data written after step 2.2 is not migrated.",
)

CLEAR_REPLICATION = Prose(
    title="Remove the replication rules from the source's stack",
    by_hand=(
        "The preset clears the parameters Destination Backup S3 KMS Key and Destination Backup "
        "S3 Bucket ARNs. It keeps the destination vault, which the last snapshots are copied to."
    ),
    done="The stack is UPDATE_COMPLETE: the script waits for it.",
    results="Deletions in the source no longer reach the new deployment.",
    stop="Objects are still waiting to be replicated.",
)

SAVE_SECRETS = Prose(
    title="Save the system's secrets on the source's data volume",
    by_hand="Start an SSM session on the source's services instance.",
    done="The secrets file is on the data volume.",
    results=(
        "The last snapshot contains the file, and secrets-restore restores the secrets from it."
    ),
    stop="People who can read the snapshots are not allowed to see the secrets.",
)

HOLD_INSTANCE = Prose(
    title="Keep the source's services instance from being replaced",
    done="The group's processes are suspended.",
    results="No new instance starts the service that is stopped next.",
    stop="The group has no instance in service: find out why first.",
)

STOP_SERVICE = Prose(
    title="Stop the codeocean systemd service on the source",
    done="The service is stopped and masked, and nothing can write to the data volume.",
    results=(
        "The next snapshot holds the final state. To go back before DNS is switched, run "
        "`codeocean-cmdgen service-start --values {file} --from source`."
    ),
    stop="Somebody still works, or objects are still waiting to be replicated.",
)

BACK_UP = Prose(
    title="Create the last on-demand backups of the source's volume and database",
    done="Both recovery points are completed, and copied to the new deployment.",
    results="Steps 2.5.10 and 2.5.11 restore these two: note their creation times.",
    stop="The service stopped in step 2.3 has been started again since.",
)

PHASE_2_COPY = Heading(
    "Phase 2, step 2.5: copy in the final state",
    "Restore steps 10 to 20, with the run named switch. Step 15 is skipped: the buckets are "
    "already in the source's final state.",
)

PHASE_2_FINISH = Heading(
    "Phase 2: finish",
    "The new deployment takes over.",
)

CLEAR_RESTORE_SOURCE = Prose(
    title="Remove the restore configuration from the new deployment's stack",
    by_hand="The preset clears the parameter Restore Configuration > Restore source account ID.",
    done="The stack is UPDATE_COMPLETE: the script waits for it.",
    results="The new deployment no longer accepts recovery points from the source's account.",
    stop="The change set replaces the services instance, and people already work.",
)

SWITCH_DNS = Prose(
    title="Perform any required DNS switch",
    by_hand=(
        "Point the names to the new deployment. If it was deployed on another domain, update the "
        "DNS parameters of its stack now."
    ),
    where="your DNS provider, and the stack's DNS parameters if the domains differ.",
    takes="minutes, plus the time to live of the records.",
    done="People reach the new deployment under the old name, and find their work.",
    stop=(
        "Nobody has checked and accepted the new deployment: after this step, only the new "
        "deployment holds what people write."
    ),
)
