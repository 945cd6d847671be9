"""The three procedures: what is to do, in the order and with the numbers of the vendor's guide.

Source: the vendor's page "Backup and restore". Its text shows no numbers, but its migration names
restore steps by theirs (10, 12, 13, 19; 15 to be skipped; 20 the last): so they are known. What the
guide lacks stands between its numbers, with a letter. A migration's two phases are 1 and 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable, NamedTuple, Optional

from codeocean_cmdgen.sources import Given
from codeocean_cmdgen.steps import (
    CrossAccountBackup,
    DatasetsNotCached,
    DbCopyIn,
    DbDelete,
    DbRestore,
    InstanceHold,
    InstanceRelease,
    OnDemandBackup,
    S3BatchReplication,
    S3PointInTime,
    SecretsRestore,
    SecretsSave,
    ServiceStart,
    ServiceStop,
    SnapshotCopy,
    StackCreate,
    StackParameters,
    Step,
    VolumeCopyIn,
    VolumeDelete,
    VolumeRelease,
    VolumeRestore,
)
from codeocean_cmdgen.steps.db_temporary import TEMPORARY
from codeocean_cmdgen.values import Region
from codeocean_cmdgen.vendor import RESTORE_SOURCE

Tables = Mapping[str, Mapping[str, "tuple[str, ...]"]]
"""The texts of a values file, by table and name."""

Derive = Callable[[Tables], "dict[str, Given]"]
"""Makes values of a step of what the values file says of another deployment."""


def _nothing(tables: Tables) -> dict[str, Given]:  # noqa: ARG001 - the signature of the others
    return {}


class Task(NamedTuple):
    """One thing to do: a script, or something by hand.

    number: the guide's, with a letter for what the guide lacks.
    title: what is done, for the contents.
    deployment: whose it is: a table of the values file.
    place: the kind of place, where there is no step that says it.
    where: the place of what is done by hand; a step's header says its own.
    takes: the duration of what is done by hand; a step's header says its own.
    by_hand: what to do by hand, before the script if there is one; one paragraph a line.
    step, options, derive: the script, and the values that this procedure gives it.
    needs: values that the step may lack, but not here, and the deployment that `discover` finds
    each for; empty where it finds none.
    joins: the number of an earlier task whose script this one may follow in the same paste: what
    lies between has nothing to do with it.
    shows: values that the person should look at.
    otherwise: what to do in a situation that is not the usual one.
    done: what "done" looks like. results: where its results go next. stop: when to stop.
    seen_to: what has done it already, in words; empty where it is still to do.
    """

    number: str
    title: str
    deployment: str
    place: str = "hand"
    where: str = ""
    takes: str = ""
    by_hand: str = ""
    step: Optional[type[Step]] = None
    options: Mapping[str, str] = {}
    derive: Derive = _nothing
    needs: Mapping[str, str] = {}
    joins: str = ""
    shows: tuple[str, ...] = ()
    otherwise: str = ""
    done: str = ""
    results: str = ""
    stop: str = ""
    seen_to: str = ""


class Part(NamedTuple):
    """A headed part of a procedure."""

    title: str
    about: str
    tasks: tuple[Task, ...]


def _destination(deployment: str) -> Derive:
    """Let a stack's parameters name the vault and the buckets of another deployment."""

    def derive(tables: Tables) -> dict[str, Given]:
        facts, origin = tables.get(deployment, {}), f"values file [{deployment}]"
        given = {}
        if "bucket_arn" in facts:
            given["destination_bucket_arn"] = Given(facts["bucket_arn"], origin)
        place = [facts[name][0] for name in _VAULT if name in facts]
        if len(place) == len(_VAULT):
            partition = Region(place[0]).aws_partition
            arn = ":".join(("arn", partition, "backup", *place[:2], "backup-vault", place[2]))
            given["destination_vault_arn"] = Given((arn,), origin)
        return given

    return derive


_VAULT = ("region", "account_id", "backup_vault_name")
_DESTINATION = ("destination_vault_arn", "destination_bucket_arn")


def _recovery_points_from(deployment: str) -> Derive:
    """Let the new deployment's stack say whose recovery points it takes."""

    def derive(tables: Tables) -> dict[str, Given]:
        account = tables.get(deployment, {}).get("account_id")
        if not account:
            return {}
        homes = (tables.get("target.stack-create", {}), tables.get("target", {}))
        own = next((home["set"] for home in homes if "set" in home), ())
        others = (one for one in own if not one.startswith(f"{RESTORE_SOURCE}="))
        texts = (*others, f"{RESTORE_SOURCE}={account[0]}")
        return {"set": Given(texts, f"values file [target], [{deployment}]")}

    return derive


def _temporary_host(tables: Tables) -> dict[str, Given]:
    """Name the temporary database instance, which does not exist yet, unless the file does.

    But for its first word the name is that of any instance of the account and Region.
    Source: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.DBInstance.html
    """
    homes = (tables.get("target.db-copy-in", {}), tables.get("target", {}))
    if any("from_host" in home for home in homes):
        return {}
    own = next((home["to_host"][0] for home in homes if "to_host" in home), "")
    domain = own.partition(".")[2]
    if ".rds.amazonaws.com" not in domain:
        return {}
    return {"from_host": Given((f"{TEMPORARY}.{domain}",), "values file [target], to_host")}


# What two procedures have in common.

_FOLLOWED = "The script of the step before has followed it to its end, and says `done:`."

_ONE_VERSION = (
    "Take the template of the very version that the source runs: its stack's parameters and tags "
    "name it, as does the template's URL.\n"
    "Copy other parameters of the stack from the source as needed: `aws cloudformation "
    "describe-stacks --stack-name NAME --output json >source.json` there, then `parameters_from = "
    '"source.json"` in `[target.stack-create]` of the values file. Where the source is lost, from '
    "your own records."
)
_DEPLOYED = Task(
    "1",
    "Deploy a new instance of Code Ocean VPC",
    "target",
    by_hand=_ONE_VERSION,
    step=StackCreate,
    otherwise="Where the stack exists already, skip this, and see that its parameter Restore "
    "source account ID names the right account: `codeocean-cmdgen stack-parameters --values "
    "facts.toml --from target --preset restore-source`.",
    done="CREATE_COMPLETE.",
    results="the stack's resources are the values of [target]. If they are not in the values file "
    "yet: `codeocean-cmdgen discover target --values facts.toml` in this CloudShell, then make "
    "this runbook anew.",
    stop="The versions of source and target differ: a restore between versions is not supported.",
)
_DEPLOYMENT_WAITED = Task(
    "2",
    "Wait for the stack creation to complete",
    "target",
    place="cloudshell",
    seen_to=_FOLLOWED,
    takes="about half an hour.",
    by_hand="If the shell ended meanwhile, paste the script again: it goes on to watch.",
    done="the script's last line begins with `done:`.",
    stop="The stack is rolled back: its events name the first failure. Delete it, mend, and begin "
    "again.",
)
_HELD = Task(
    "2a",
    "Keep the services instance from being replaced",
    "target",
    step=InstanceHold,
    done="the group's processes are suspended, and a tag on it says which.",
    results="instance-release resumes them at the end.",
    stop="The group has no instance in service: first find out why.",
)
_STOPPED = Task(
    "3",
    "Stop the codeocean systemd service",
    "target",
    by_hand="SSM into the services instance of the new deployment: EC2 > Instances > the instance "
    "> Connect > Session Manager.",
    step=ServiceStop,
    done="the service is stopped and masked, and nothing can write to the data volume.",
    results="service-start undoes it, near the end.",
    stop="Do not replicate anything before this is done: the running application's cleanup "
    "would delete replicated data.",
)
_STACK_WAITED = Task(
    "5",
    "Wait for the stack update to complete",
    "backup",
    place="cloudshell",
    seen_to=_FOLLOWED,
    takes="minutes.",
    by_hand="If the shell ended meanwhile, paste the script again: it goes on to watch.",
    done="the script's last line begins with `done:`.",
    stop="The update is rolled back: the script names the first failure. Mend it and paste again.",
)
_REPLICATED = (
    "Look on, if you like, in S3 > Batch Operations of that account. S3 says Failed of a job for "
    "a bucket without objects: the script proves that the bucket is empty, and says so.\n"
    "Where objects failed, mend what the script names, and make it anew with another `--run`: a "
    "job that has ended is not repeated."
)
_SEVERAL_POINTS = (
    "Where the vault holds several from elsewhere, the script lists them and stops: "
    "`codeocean-cmdgen discover recovery-points --values facts.toml --from target`, in this "
    "CloudShell, takes the pair that you choose by its number. Then `codeocean-cmdgen {0} --values "
    "facts.toml --run {1}`."
)


def _volume_copied(number: str, run: str) -> tuple[Task, ...]:
    """Return restore steps 10, 12 and 13: without the database, as a migration's first round."""
    return (_volume_restored(number, run), _session(number), _volume_in(number, run))


def _volume_restored(number: str, run: str) -> Task:
    return Task(
        f"{number}10",
        "Restore a temporary EBS volume from the EBS snapshot",
        "target",
        step=VolumeRestore,
        options={"run": run},
        otherwise=_SEVERAL_POINTS.format("volume-restore", run),
        done="a volume in the data volume's zone, of its size and throughput, gp3, encrypted with "
        "the default key, and tagged with this run.",
        results="volume-copy-in finds the volume by its tag: nothing is to be copied aside.",
        stop="The recovery point's creation time is not the moment that you want to go back to.",
    )


def _database_restored(number: str, run: str) -> Task:
    return Task(
        f"{number}11",
        "Restore a temporary RDS DB instance from the RDS snapshot",
        "target",
        step=DbRestore,
        options={"run": run},
        otherwise=_SEVERAL_POINTS.format("db-restore", run),
        done="the instance tmp-codeocean-restore is available: db.t3.micro, gp3, no standby, no "
        "IAM authentication, in the deployment's own VPC, security groups and parameter group. Its "
        "master password is the deployment's, in force.",
        results="its endpoint is in the script of db-copy-in. Compare it with what this script "
        "prints.",
        stop="The recovery point does not belong to the same backup as that of the volume.",
    )


def _session(number: str) -> Task:
    return Task(
        f"{number}12",
        "Start an SSM session on the services instance",
        "target",
        place="host",
        where="EC2 > Instances > the instance > Connect > Session Manager.",
        takes="a minute; a session ends after 20 minutes without a key. What runs goes on.",
        by_hand="Open a session on the services instance of the new deployment.",
        done="a prompt; each script proves by itself that it is the right machine.",
        stop="The instance is another than the one that service-stop ran on: stop it there first.",
    )


def _volume_in(number: str, run: str) -> Task:
    return Task(
        f"{number}13",
        "Copy in data from the restored EBS volume",
        "target",
        by_hand="The script attaches the restored volume itself.",
        step=VolumeCopyIn,
        options={"run": run},
        done="both volumes are equal, compared by contents.",
        results="secrets-restore reads the secrets that this volume brings.",
        stop="The data volume holds something that is wanted: it is deleted for good. Back it up "
        "first, with on-demand-backup --from target.",
    )


def _database_in(number: str, run: str) -> Task:
    return Task(
        f"{number}14",
        "Copy in data from the restored RDS DB",
        "target",
        step=DbCopyIn,
        options={"run": run},
        derive=_temporary_host,
        done="the database has the restored contents: tables are compared by counts and contents.",
        results="the database that was there is kept beside it, until db-copy-in --drop-old.",
        stop="Free storage of the instance is less than the database's size.",
    )


def _started(number: str) -> tuple[Task, ...]:
    """Return restore steps 16 to 18."""
    return (
        Task(
            f"{number}16",
            "Restore the system secrets",
            "target",
            step=SecretsRestore,
            otherwise="Where the volume brings no secrets, because secrets-save never ran, ask the "
            "vendor for the command, and give it as --command.",
            done="every secret that was saved has its value again, by name.",
            results="the application reads them when it starts.",
            stop="The names listed are not those of the source.",
        ),
        Task(
            f"{number}17",
            "Start the codeocean service",
            "target",
            step=ServiceStart,
            done="the service is active, and answers at its health endpoint where that is known. "
            "Log in, and look at a capsule and its data.",
            results="from here on, people may work; the application cleans up.",
            stop="Something before this is not done: volume, database, buckets and secrets.",
        ),
        Task(
            f"{number}18",
            "Set the state of all datasets to not-cached",
            "target",
            step=DatasetsNotCached,
            done="the vendor's job is completed.",
            stop="The command is not that of the installed version.",
        ),
    )


def _released(number: str) -> Task:
    return Task(
        number,
        "Let the services instance be replaced again",
        "target",
        step=InstanceRelease,
        done="the group's processes run again.",
        stop="The script says that the instance is unhealthy: mend it first.",
    )


def _volume_removed(number: str, run: str, *between: Task, joins: str = "") -> tuple[Task, ...]:
    """Return restore step 19, which is two scripts: the instance may not detach a volume.

    between: what is done between the two, in the place of the second.
    """
    return (
        Task(
            f"{number}19",
            "Unmount the restored EBS volume",
            "target",
            by_hand="It may follow the copy of the volume at once: nothing reads the restored "
            "volume any more, and it stays attached. volume-copy-in mounts it again.",
            step=VolumeRelease,
            options={"run": run},
            joins=joins,
            done="the volume is mounted nowhere.",
            results="volume-delete may detach it.",
            stop="Something uses it: the script says what. End that; do not detach it before.",
        ),
        *between,
        Task(
            f"{number}19b" if between else f"{number}19a",
            "Detach and delete the restored EBS volume",
            "target",
            step=VolumeDelete,
            options={"run": run},
            done="the volume is gone.",
            stop="What was copied in is not accepted yet, or the id that it names is not the "
            "restored volume's.",
        ),
    )


def _database_removed(number: str, run: str) -> Task:
    return Task(
        f"{number}20",
        "Delete the restored RDS DB",
        "target",
        step=DbDelete,
        options={"run": run},
        done="the instance is gone, with its automated backups, and no final snapshot.",
        stop="The analytics of the new deployment were not looked at yet.",
    )


_CLOUDFORMATION = "CloudFormation > the stack, in the console."

_BACKUP = (
    Part(
        "Cross-account backup",
        "Only where the backup lies in another account than the source. The guide does this first.",
        (
            Task(
                "0",
                "Enable cross-account backup in the organization's management account",
                "source",
                by_hand="Log in with the credentials of the organization's management account: no "
                "other may turn it on.",
                step=CrossAccountBackup,
                otherwise="Where source and backup share an account, skip this.",
                done="cross-account backup is on.",
                stop="The script says that the account is a member of the organization.",
            ),
        ),
    ),
    Part(
        "Set up",
        "From the end of this part on, snapshots are copied as they are made, and objects are "
        "replicated as they are written.",
        (
            Task(
                "1",
                "Deploy the backup stack",
                "backup",
                by_hand="Give the account id of the source, and as needed the Backup Retention "
                "Period: the days for which noncurrent versions, deleted ones too, are kept "
                "in the backup's buckets. Both are `set` in `[backup.stack-create]`.\n"
                "Take the latest template, and never one below what the release notes of your "
                "version ask for.",
                step=StackCreate,
                needs={"set": ""},
                otherwise="Where a backup stack exists that the source's version finds too old: "
                "`codeocean-cmdgen stack-parameters --values facts.toml --from backup "
                "--template-url URL` upgrades it.",
                done="CREATE_COMPLETE.",
                results="the stack's vault and buckets are the values of [backup]. If they are not "
                "in the values file yet: `codeocean-cmdgen discover backup --values facts.toml` in "
                "this CloudShell, then make this runbook anew.",
                stop="The stack serves another source already, for it takes one alone; or the "
                "source is older than 2.19.",
            ),
            Task(
                "2",
                "Update the source's stack with the backup configuration",
                "source",
                by_hand="The preset sets vault, whether it is in another Region, the key alias of "
                "S3 in the backup account, storage class GLACIER_IR, which is read without "
                "waiting, and the nine buckets.\n"
                "How often backups are made (a cron expression), and for how many days they are "
                "kept, are parameters of the same stack: `set` in `[source.stack-parameters]`, if "
                "they are to change.",
                step=StackParameters,
                options={"preset": "backup-destination"},
                derive=_destination("backup"),
                needs=dict.fromkeys(_DESTINATION, "backup"),
                done="UPDATE_COMPLETE.",
                results="the stack has the role S3BackupRole now, which step 4 needs: "
                "`codeocean-cmdgen discover source --values facts.toml` finds it.",
                stop="The change set replaces something that holds data.",
            ),
            _STACK_WAITED._replace(number="3", deployment="source"),
            Task(
                "4",
                "Replicate what is already in the buckets",
                "source",
                by_hand=_REPLICATED,
                step=S3BatchReplication,
                done="each bucket is replicated, or proved empty.",
                results="from now on, S3 replicates what is written.",
                stop="Objects failed: the script says how many, and where the reasons stand.",
            ),
            Task(
                "4a",
                "Save the system's secrets, and have them saved daily",
                "source",
                by_hand="The guide restores secrets, but never saves them: without this there is "
                "nothing to restore. The script's header says how it runs daily.",
                step=SecretsSave,
                done="the file of secrets lies on the data volume, and goes with every snapshot.",
                results="secrets-restore puts them back, after the volume was copied in.",
                stop="Not everybody who can read snapshots may read the secrets.",
            ),
        ),
    ),
    Part(
        "Back up on demand",
        "Before an upgrade, so that it can be taken back, and to prove the setup once. The guide's "
        "two forms, EBS and RDS, are one script.",
        (
            Task(
                "5",
                "Back up the data volume and the analytics database now",
                "source",
                by_hand="For another round: `codeocean-cmdgen on-demand-backup --values facts.toml "
                "--run NAME`, and `--retention-days` for more than a day.",
                step=OnDemandBackup,
                options={"run": "first"},
                done="both recovery points are completed, and copied to the destination vault.",
                results="a restore copies them from there: note the day, they expire.",
                stop="A copy failed: the vault's policy, or the key, does not admit the source.",
            ),
        ),
    ),
)

_RESTORE = (
    Part(
        "Deploy, and bring the data near",
        "The new deployment is made and silenced; the backup's objects and snapshots come to it.",
        (
            _DEPLOYED._replace(derive=_recovery_points_from("backup")),
            _DEPLOYMENT_WAITED,
            _HELD,
            _STOPPED,
            Task(
                "4",
                "Update the backup stack with the restore configuration",
                "backup",
                by_hand="The preset sets the key alias of S3 in the new deployment's account, and "
                "the new deployment's nine buckets.",
                step=StackParameters,
                options={"preset": "restore-destination"},
                derive=_destination("target"),
                needs=dict.fromkeys(_DESTINATION, "target"),
                done="UPDATE_COMPLETE.",
                results="the stack has the role S3RestoreRole now, which step 6 needs: "
                "`codeocean-cmdgen discover backup --values facts.toml` finds it.",
                stop="A bucket in the list is not one of the new deployment's.",
            ),
            _STACK_WAITED,
            Task(
                "6",
                "Replicate S3 data from the backup to the new deployment",
                "backup",
                by_hand=_REPLICATED,
                step=S3BatchReplication,
                done="each bucket is replicated, or proved empty.",
                results="from here on nothing may be written to the new buckets. When it ended, "
                "which step 15 needs, `codeocean-cmdgen discover backup --values facts.toml` "
                "finds.",
                stop="The service of step 3 runs again: it would delete what arrives.",
            ),
            Task(
                "7",
                "Select the EBS and RDS snapshots to restore",
                "backup",
                where="AWS Backup > Backup vaults > the backup stack's vault > Recovery points.",
                takes="minutes.",
                by_hand="`codeocean-cmdgen discover recovery-points --values facts.toml`, in "
                "CloudShell of this account, lists the pairs that belong together, newest first. "
                "The number of the pair is all that you type: ARNs and creation time go into the "
                "file.\n"
                "If that was done before this runbook was made, look once more: both belong to the "
                "same backup, and are the wanted moment.",
                shows=("ebs_snapshot_arn", "rds_snapshot_arn"),
                seen_to="Chosen already: the recovery points are below.",
                done="two recovery points, EBS and RDS, of one moment.",
                results="snapshot-copy copies them; step 15 goes back to the creation time of EBS.",
                stop="They are not the ones: choose again, and make this runbook anew.",
            ),
            Task(
                "8",
                "Copy the EBS and RDS snapshots to the new deployment",
                "backup",
                by_hand="Look on, if you like, in AWS Backup > Jobs of the backup account.",
                step=SnapshotCopy,
                done="both recovery points are in the new deployment's vault.",
                results="volume-restore and db-restore find them there.",
                stop="A copy failed: the script says why.",
            ),
            Task(
                "9",
                "Wait for the snapshots' copies to complete",
                "backup",
                place="cloudshell",
                seen_to=_FOLLOWED,
                takes="minutes to hours.",
                by_hand="If the shell ended meanwhile, paste the script again: it goes on to "
                "watch. The copies are then listed in the new deployment's vault.",
                done="the script's last line begins with `done:`.",
                stop="The vault shows more than one recovery point from elsewhere of a kind: see "
                "step 10.",
            ),
        ),
    ),
    Part(
        "Restore",
        "What was copied is restored beside the new deployment's own, and copied in.",
        (
            _volume_restored("", "first"),
            _database_restored("", "first"),
            _session(""),
            _volume_in("", "first"),
            _database_in("", "first"),
            Task(
                "15",
                "Restore the S3 buckets to the exact snapshot time",
                "target",
                by_hand="`at`, the moment to go back to, is the creation time of the EBS recovery "
                "point, which step 7 found. The snapshot may have been taken somewhat later: an "
                "object that it knows and the bucket lost is damage, one too many is not. So where "
                "the source's account still answers, the completion of that backup job (AWS Backup "
                "> Jobs > Backup jobs, there) is the later, safer moment: write it as `at` into "
                "`[target.s3-point-in-time]`.\n"
                "`until` is the end of the last job of step 6, which `codeocean-cmdgen discover "
                "backup --values facts.toml` finds. What is newer would mean that somebody uses "
                "the buckets, and the script leaves them alone. Where that is what the backup goes "
                "on to replicate, any later moment will do, while the service is stopped.\n"
                "The guide does this after step 14. It may be done as soon as step 6 is done: "
                "volume and database have nothing to do with the buckets.",
                step=S3PointInTime,
                needs={"until": "backup"},
                joins="11",
                otherwise="To be able to take it back, add --reversible; `--verify` only compares.",
                done="each bucket is as it was at that moment, proved by listing again.",
                stop="The plan removes more than was written since the snapshot.",
            ),
            *_started(""),
        ),
    ),
    Part(
        "Clean up",
        "Nothing is deleted before the restored deployment was looked at and accepted.",
        (
            *_volume_removed("", "first", _released("19a"), joins="14"),
            _database_removed("", "first"),
            Task(
                "20a",
                "Afterwards",
                "target",
                where=_CLOUDFORMATION,
                takes="minutes.",
                by_hand="The guide ends here. The backup stack still replicates into the new "
                "deployment: `codeocean-cmdgen stack-parameters --values facts.toml --from backup "
                "--preset clear-restore-destination` ends that.\n"
                "The database that was replaced is kept on the instance: `codeocean-cmdgen "
                "db-copy-in --values facts.toml --drop-old` removes it.\n"
                "The new deployment has no backup of its own yet: follow `codeocean-cmdgen "
                "runbook backup` for it.",
                done="the new deployment is protected as the old one was.",
                stop="The old deployment is still wanted: end nothing that protects it.",
            ),
        ),
    ),
)

_MIGRATION = (
    Part(
        "Phase 1: set up",
        "In the background, while people go on working on the source: the bulk of the data is "
        "brought near.",
        (
            _DEPLOYED._replace(
                number="1.1",
                derive=_recovery_points_from("source"),
                by_hand=_ONE_VERSION + "\n"
                "If you opt into validation of the ACM certificate by DNS, first take another "
                "domain than the source's; change it when DNS is switched.",
            ),
            _DEPLOYMENT_WAITED._replace(number="1.2"),
            _HELD._replace(number="1.2a"),
            _STOPPED._replace(number="1.3"),
            Task(
                "1.4",
                "Update the source's stack with the new deployment as destination",
                "source",
                by_hand="The preset sets the vault of the new deployment, whether it is in another "
                "Region, the key alias of S3 in its account, storage class STANDARD (not "
                "GLACIER_IR), and its nine buckets.",
                step=StackParameters,
                options={"preset": "migration-destination"},
                derive=_destination("target"),
                needs=dict.fromkeys(_DESTINATION, "target"),
                done="UPDATE_COMPLETE.",
                results="the stack has the role S3BackupRole now, which step 1.6 needs: "
                "`codeocean-cmdgen discover source --values facts.toml` finds it.",
                stop="The source is backed up to a backup stack: that ends here, for a stack has "
                "one destination. Decide whether the last backup there is enough.",
            ),
            _STACK_WAITED._replace(number="1.5", deployment="source"),
            Task(
                "1.6",
                "Replicate what is already in the source's buckets",
                "source",
                by_hand=_REPLICATED,
                step=S3BatchReplication,
                done="each bucket is replicated, or proved empty.",
                results="from now on, S3 replicates what is written.",
                stop="The service of step 1.3 runs again: it would delete what arrives.",
            ),
            Task(
                "1.7",
                "Create an on-demand backup of the source's data volume",
                "source",
                by_hand="The script backs up the database too: it is small, and not used yet.",
                step=OnDemandBackup,
                options={"run": "bulk"},
                done="both recovery points are completed, and copied to the new deployment.",
                results="volume-restore finds the copy in the new deployment's vault.",
                stop="A copy failed: the vault's policy does not admit the source.",
            ),
            Task(
                "1.8",
                "Wait for the snapshot to be copied to the new deployment's vault",
                "source",
                place="cloudshell",
                seen_to=_FOLLOWED,
                takes="minutes to hours.",
                by_hand="If the shell ended meanwhile, paste the script again: it goes on to "
                "watch. The copy is then listed in the vault, under Recovery points.",
                done="the script's last line begins with `done:`.",
                stop="The copy failed: the vault of the new deployment does not admit the source.",
            ),
        ),
    ),
    Part(
        "Phase 1, step 1.9: copy in the volume's bulk",
        "Restore steps 10, 12, 13 and 19, with the run named bulk. What is copied now need not be "
        "copied while nobody can work.",
        (*_volume_copied("1.9.", "bulk"), *_volume_removed("1.9.", "bulk")),
    ),
    Part(
        "Phase 2: switch",
        "From here on nobody can work, until DNS is switched. To go back before that: start the "
        "source's service again.",
        (
            Task(
                "2.1",
                "Stop work, and bring down the source deployment",
                "source",
                where="Code Ocean's admin panel, as the vendor's administration guide says.",
                takes="as long as people need to end their work.",
                by_hand="Announce it, have people save and stop their work, and wait until no "
                "computation runs.\n"
                "See that replication has caught up: S3 > each bucket > Metrics > Replication "
                "metrics, or `codeocean-cmdgen s3-batch-replication --values facts.toml "
                "--only-missing --run switch`, which replicates what is left.",
                done="nobody works on the source, and nothing is left to replicate.",
                stop="Someone cannot stop now: what is written after step 2.2 is not taken along.",
            ),
            Task(
                "2.2",
                "Remove the replication rules from the source's stack",
                "source",
                by_hand="The preset clears the parameters Destination Backup S3 KMS Key and "
                "Destination Backup S3 Bucket ARNs. The vault stays: the last snapshots are "
                "copied by it.",
                step=StackParameters,
                options={"preset": "clear-replication"},
                done="UPDATE_COMPLETE: the script waits for it.",
                results="no deletion in the source reaches the new deployment any more.",
                stop="Objects are still to be replicated.",
            ),
            Task(
                "2.2a",
                "Save the system's secrets on the source's data volume",
                "source",
                by_hand="Start an SSM session on the source's services instance.",
                step=SecretsSave,
                done="the file of secrets lies on the data volume.",
                results="the last snapshot carries it; secrets-restore puts them back.",
                stop="Not everybody who can read snapshots may read the secrets.",
            ),
            Task(
                "2.2b",
                "Keep the source's services instance from being replaced",
                "source",
                step=InstanceHold,
                done="the group's processes are suspended.",
                results="no new instance starts the service that is stopped next.",
                stop="The group has no instance in service: first find out why.",
            ),
            Task(
                "2.3",
                "Stop the codeocean systemd service on the source",
                "source",
                step=ServiceStop,
                done="the service is stopped and masked, and nothing can write to the data volume.",
                results="the next snapshot is the last state. To go back, before DNS is switched: "
                "`codeocean-cmdgen service-start --values facts.toml --from source`.",
                stop="Somebody works still, or objects are still to be replicated.",
            ),
            Task(
                "2.4",
                "Create the last on-demand backups of the source's volume and database",
                "source",
                step=OnDemandBackup,
                options={"run": "switch"},
                done="both recovery points are completed, and copied to the new deployment.",
                results="steps 2.5.10 and 2.5.11 restore these two: note when they were made.",
                stop="The service of step 2.3 was started again since.",
            ),
        ),
    ),
    Part(
        "Phase 2, step 2.5: copy in the last state",
        "Restore steps 10 to 20, with the run named switch. Step 15 is left out: the buckets are "
        "as the source left them.",
        (
            _volume_restored("2.5.", "switch"),
            _database_restored("2.5.", "switch"),
            _session("2.5."),
            _volume_in("2.5.", "switch"),
            _database_in("2.5.", "switch"),
            *_started("2.5."),
            *_volume_removed("2.5.", "switch", _released("2.5.19a"), joins="2.5.14"),
            _database_removed("2.5.", "switch"),
        ),
    ),
    Part(
        "Phase 2: finish",
        "The new deployment takes over.",
        (
            Task(
                "2.6",
                "Remove the restore configuration from the new deployment's stack",
                "target",
                by_hand="The preset clears the parameter Restore Configuration > Restore source "
                "account ID.",
                step=StackParameters,
                options={"preset": "clear-restore-source"},
                done="UPDATE_COMPLETE: the script waits for it.",
                results="no recovery point from the source's account is admitted any more.",
                stop="The change set replaces the services instance, and people work already.",
            ),
            Task(
                "2.7",
                "Perform any required DNS switch",
                "target",
                where="where your DNS is kept; and the stack's DNS parameters, if they differ.",
                takes="minutes, and as long as the records' time to live.",
                by_hand="Point the names to the new deployment. If it was deployed on another "
                "domain, update the DNS parameters of its stack now.",
                done="people reach the new deployment by the old name, and find their work.",
                stop="The new deployment was not looked at and accepted: after this, what people "
                "write is on the new side alone.",
            ),
        ),
    ),
)

RUNBOOKS: dict[str, tuple[Part, ...]] = {
    "backup": _BACKUP,
    "restore": _RESTORE,
    "migration": _MIGRATION,
}
"""Procedure -> its parts, with all that is to do."""


def _steps(parts: tuple[Part, ...]) -> tuple[type[Step], ...]:
    """Return the steps of a procedure in order, each once."""
    return tuple(dict.fromkeys(task.step for part in parts for task in part.tasks if task.step))


PROCEDURES: dict[str, tuple[type[Step], ...]] = {
    procedure: _steps(parts) for procedure, parts in RUNBOOKS.items()
}
"""Procedure -> its steps in order."""
