"""Plots: what happens in the world while a procedure is followed, and the expected result.

A plot prepares the world, triggers events between the steps, and compares the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from codeocean_cmdgen.rehearsal.proof import Comparison, compare
from codeocean_cmdgen.rehearsal.stage import Stage, without_work
from codeocean_cmdgen.steps import (
    OnDemandBackup,
    S3BatchReplication,
    SecretsSave,
    ServiceStart,
    SnapshotCopy,
    StackCreate,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from codeocean_cmdgen.procedures import Task
    from codeocean_cmdgen.rehearsal.deployment_file import RehearsalFile
    from codeocean_cmdgen.rehearsal.mishaps import Mishap

    Run = Callable[[str, type[Any]], None]
    """Runs the script of a step for a deployment, before the procedure begins."""

_MINUTE, _HOUR = 60, 3600


class Plot:
    """The common part of all plots."""

    about: ClassVar[str]

    def __init__(self, stage: Stage, file: RehearsalFile) -> None:
        """Start with an empty world."""
        self.stage, self.file = stage, file
        self.moment: datetime | None = None
        """The moment whose state the result is compared with."""
        self.lost: datetime | None = None
        """When the source was lost."""
        self.served: datetime | None = None
        """When people could work again."""
        self.wanted: dict[str, Any] = {}
        self.comparisons: list[Comparison] = []

    def prepare(self, run: Run) -> None:
        """Build the world in its state at the beginning of the procedure."""

    def before(self, task: Task) -> None:
        """Trigger the events before a task."""

    def after(self, task: Task) -> None:
        """Apply the effects of a completed task."""
        if task.step is StackCreate:
            self.stage.furnish(task.deployment)
        self.stage.apply()
        self.file.update_volume_ids(self.stage)
        if task.step is ServiceStart and not self.stage.missing.host:
            self.served = self.stage.simulator.clock.now()

    def fix(self, mishap: Mishap, deployment: str) -> None:
        """Do what a person does after a mishap, apart from pasting again."""
        if mishap.new_run:
            self.file.put(f"{deployment}.{mishap.step.name}", run="second")
        if mishap.in_use:
            self.file.put("target.s3-point-in-time", until=self._now())

    def end(self) -> None:
        """Compare the result at the end."""

    def _compare_again(self) -> None:
        known = {one.kind for one in self.comparisons if one.differences}
        found = compare(without_work(self.wanted), without_work(self.stage.state("target")))
        self.comparisons += [one for one in found if one.differences and one.kind not in known]

    def _now(self) -> str:
        return _written(self.stage.simulator.clock.now())


class Backup(Plot):
    """A deployment in use gets its first backup."""

    about = "a deployment in use gets a backup stack, and is backed up once"

    def prepare(self, run: Run) -> None:  # noqa: ARG002 - no script runs before the first backup
        """Build a deployment in use."""
        self.stage.build_source()
        self.file.update_volume_ids(self.stage)

    def before(self, task: Task) -> None:
        """Let people continue to work."""
        if task.step is SecretsSave:
            self.stage.write("source", "while-set-up")
        if task.step is OnDemandBackup:
            self.moment = self.stage.simulator.clock.now()

    def end(self) -> None:
        """Compare the backup with the deployment, which only its application has changed since."""
        stage = self.stage
        wanted = without_work(stage.state("source"))
        found = stage.state_of(stage.points("backup"), "source")
        found["object versions"] = stage.state("backup")["object versions"]
        self.comparisons = compare(wanted, without_work(found))


class Restore(Plot):
    """The source is lost, with everything in its account."""

    about = "a deployment that is backed up is lost, with everything in its account"

    def prepare(self, run: Run) -> None:
        """Back up, let people continue to work, and lose the source."""
        stage = self.stage
        stage.build_source()
        stage.build_backup()
        self.file.update_volume_ids(stage)
        run("source", SecretsSave)
        stage.wait(_HOUR)
        live = stage.state("source")
        points = stage.back_up()
        self.moment = points["EBS"].created
        self.wanted = {**live, **stage.state_of(points, "source")}
        for word in ("after-the-backup", "before-the-end"):
            stage.wait(2 * _HOUR)
            stage.write("source", word)
        stage.wait(_MINUTE)
        stage.destroy_source()
        self.lost = stage.simulator.clock.now()
        points = stage.points("backup")
        self.file.put(
            "backup", ebs_snapshot_arn=points["EBS"].arn, rds_snapshot_arn=points["RDS"].arn
        )

    def before(self, task: Task) -> None:
        """Compare before people work again."""
        if task.step is ServiceStart:
            self.comparisons = compare(self.wanted, self.stage.state("target"))

    def after(self, task: Task) -> None:
        """Write the two moments that s3-point-in-time needs into the file."""
        super().after(task)
        if task.step is S3BatchReplication:
            self.file.put("target.s3-point-in-time", until=self._now())
        if task.step is SnapshotCopy and self.moment:
            self.file.put("target.s3-point-in-time", at=_written(self.moment))

    def end(self) -> None:
        """Compare again: cleaning up must not have removed anything else."""
        self._compare_again()


class Migration(Plot):
    """The source moves, in two phases, while people work."""

    about = "a deployment moves to another account, while people work on it"

    def prepare(self, run: Run) -> None:  # noqa: ARG002 - no script runs before
        """Build a deployment in use."""
        self.stage.build_source()
        self.file.update_volume_ids(self.stage)

    def before(self, task: Task) -> None:
        """Let people work until phase 2, and compare before they work again."""
        if task.number == "2.1":
            self.stage.write("source", "between-the-phases")
            self.stage.wait(_HOUR)
        if task.number == "2.4":
            self.moment = self.lost = self.stage.simulator.clock.now()
            self.wanted = self.stage.state("source")
        if task.step is ServiceStart:
            self.comparisons = compare(self.wanted, self.stage.state("target"))

    def after(self, task: Task) -> None:
        """Write the recovery points of phase 2 into the file: the vault then holds several."""
        super().after(task)
        if task.step is OnDemandBackup:
            points = self.stage.points("target")
            self.file.put("target.volume-restore", ebs_snapshot_arn=points["EBS"].arn)
            self.file.put("target.db-restore", rds_snapshot_arn=points["RDS"].arn)

    def end(self) -> None:
        """Compare again: cleaning up must not have removed anything else."""
        self._compare_again()


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


PLOTS: dict[str, type[Plot]] = {"backup": Backup, "restore": Restore, "migration": Migration}
"""Procedure -> its plot."""
