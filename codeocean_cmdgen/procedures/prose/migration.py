"""What the migration procedure tells people. See `Prose` for the words in braces."""

from __future__ import annotations

from codeocean_cmdgen.procedures.model import Heading, Prose
from codeocean_cmdgen.procedures.prose import shared

_CHECK_THE_VAULT = (
    "Check that the policy of the new deployment's vault allows the source's account."
)

PHASE_1 = Heading(
    "Phase 1: set up",
    "Copy most of the data while people continue to work on the source.",
)

DEPLOY = shared.DEPLOY._replace(
    by_hand=(
        shared.ONE_VERSION + "\n"
        "If you choose DNS validation for the ACM certificate, start with a domain other than the "
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
        "The source is already backed up to a backup stack. This step ends that backup, because "
        "a stack has only one destination. First decide whether the last backup is enough."
    ),
)

REPLICATE = Prose(
    title="Replicate what is already in the source's buckets",
    by_hand=shared.REPLICATED,
    done="Each bucket is replicated, or proved empty.",
    results="From now on, S3 replicates new objects by itself.",
    stop="The service that step 1.3 stopped is running again: it would delete replicated objects.",
)

BACK_UP_VOLUME = Prose(
    title="Create an on-demand backup of the source's data volume",
    by_hand=(
        "The script also backs up the database, which is small. The migration does not use that "
        "backup."
    ),
    done="Both recovery points are completed, and copied to the new deployment.",
    results="volume-restore finds the copy in the new deployment's vault.",
    stop="A copy failed. " + _CHECK_THE_VAULT,
)

WAIT_FOR_COPY = Prose(
    title="Wait for the snapshot to be copied to the new deployment's vault",
    by_hand=(
        shared.PASTE_AGAIN + " When the copy is complete, the vault lists it under Recovery points."
    ),
    takes="minutes to hours.",
    done="The script's last line begins with `done:`.",
    stop="The copy failed. " + _CHECK_THE_VAULT,
    seen_to=shared.FOLLOWED,
)

PHASE_1_VOLUME = Heading(
    "Phase 1, step 1.9: copy most of the volume's data",
    "These are restore steps 10, 12, 13 and 19, in the run named bulk. Data that is copied now "
    "does not have to be copied during the downtime.",
)

DELETE_VOLUME = shared.DELETE_VOLUME._replace(
    stop=(
        "volume-copy-in has not ended with `done:`, or the volume ID that the script names is not "
        "that of the restored volume."
    )
)

PHASE_2 = Heading(
    "Phase 2: switch",
    "From here on, nobody can work until DNS is switched. To go back before that, start the "
    "source's service again, as step 2.3 describes.",
)

STOP_WORK = Prose(
    title="Stop work, and bring down the source deployment",
    by_hand=(
        "Announce the downtime, ask people to save and stop their work, and wait until no "
        "computation runs.\n"
        "Check that replication has caught up: S3 > each bucket > Metrics > Replication metrics. "
        "To replicate what is left, paste the script of `codeocean-cmdgen s3-batch-replication "
        "--values {file} --only-missing --run switch`."
    ),
    where="Code Ocean's admin panel, as described in the vendor's administration guide.",
    takes="as long as people need to finish their work.",
    done="Nobody works on the source, and nothing is left to replicate.",
    stop="Somebody cannot stop now: objects that are written after step 2.2 are not migrated.",
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
    stop=shared.SECRETS_EXPOSED,
)

HOLD_INSTANCE = Prose(
    title="Keep the source's services instance from being replaced",
    done="The group's processes are suspended.",
    results="No new instance can start the service that the next step stops.",
    stop="The group has no instance in service: find out why first.",
)

STOP_SERVICE = Prose(
    title="Stop the codeocean systemd service on the source",
    done="The service is stopped and masked, and nothing can write to the data volume.",
    results=(
        "The next snapshot holds the final state. To go back before DNS is switched, paste the "
        "scripts of `codeocean-cmdgen service-start --values {file} --from source` and "
        "`codeocean-cmdgen instance-release --values {file} --from source`."
    ),
    stop="Somebody is still working, or objects are still waiting to be replicated.",
)

BACK_UP = Prose(
    title="Create the last on-demand backups of the source's volume and database",
    done="Both recovery points are completed, and copied to the new deployment.",
    results="Steps 2.5.10 and 2.5.11 restore these two: note their creation times.",
    stop="The service that step 2.3 stopped has been started again since.",
)

PHASE_2_COPY = Heading(
    "Phase 2, step 2.5: copy in the final state",
    "These are restore steps 10 to 20, in the run named switch. Step 15 is skipped: the buckets "
    "are already in the source's final state.",
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
    stop="The change set replaces the services instance, and people are already working on it.",
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
