"""What happens in the world while a procedure is followed, and what must come of it.

A plot prepares the world, lets things happen between the steps, and says what is compared.
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
    from codeocean_cmdgen.rehearsal.facts import Facts
    from codeocean_cmdgen.rehearsal.mishaps import Mishap

    Run = Callable[[str, type[Any]], None]
    """Runs the script of a step for a deployment, before the procedure begins."""

_MINUTE, _HOUR = 60, 3600


class Plot:
    """What all procedures have in common."""

    about: ClassVar[str]

    def __init__(self, stage: Stage, facts: Facts) -> None:
        """Begin with an empty world."""
        self.stage, self.facts = stage, facts
        self.moment: datetime | None = None
        """The moment that the outcome is compared with."""
        self.lost: datetime | None = None
        """When the source was lost."""
        self.served: datetime | None = None
        """When people could work again."""
        self.wanted: dict[str, Any] = {}
        self.comparisons: list[Comparison] = []

    def prepare(self, run: Run) -> None:
        """Make the world as it is when the procedure begins."""

    def before(self, task: Task) -> None:
        """Let happen what happens before a task."""

    def after(self, task: Task) -> None:
        """Let happen what comes of a task that was done."""
        if task.step is StackCreate:
            self.stage.furnish(task.deployment)
        self.stage.apply()
        self.facts.look(self.stage)
        if task.step is ServiceStart and not self.stage.missing.host:
            self.served = self.stage.simulator.clock.now()

    def mend(self, mishap: Mishap, deployment: str) -> None:
        """Do what a person does after a mishap, besides pasting again."""
        if mishap.new_run:
            self.facts.put(f"{deployment}.{mishap.step.name}", run="second")
        if mishap.in_use:
            self.facts.put("target.s3-point-in-time", until=self._now())

    def end(self) -> None:
        """Compare at the end."""

    def _compare_again(self) -> None:
        known = {one.kind for one in self.comparisons if one.differences}
        found = compare(without_work(self.wanted), without_work(self.stage.state("target")))
        self.comparisons += [one for one in found if one.differences and one.kind not in known]

    def _now(self) -> str:
        return _written(self.stage.simulator.clock.now())


class Backup(Plot):
    """A deployment at work gets its first backup."""

    about = "a deployment that people work on is given a backup, and is backed up once"

    def prepare(self, run: Run) -> None:  # noqa: ARG002 - nothing was run before the first backup
        """Make a deployment at work."""
        self.stage.build_source()
        self.facts.look(self.stage)

    def before(self, task: Task) -> None:
        """Let people go on working."""
        if task.step is SecretsSave:
            self.stage.write("source", "while-set-up")
        if task.step is OnDemandBackup:
            self.moment = self.stage.simulator.clock.now()

    def end(self) -> None:
        """Compare the backup with the deployment, which only its application changed since."""
        stage = self.stage
        wanted = without_work(stage.state("source"))
        found = stage.state_of(stage.points("backup"), "source")
        found["object versions"] = stage.state("backup")["object versions"]
        self.comparisons = compare(wanted, without_work(found))


class Restore(Plot):
    """The source is lost, with everything in its account."""

    about = "a deployment that is backed up is lost, with everything in its account"

    def prepare(self, run: Run) -> None:
        """Back up, let people work on, and lose the source."""
        stage = self.stage
        stage.build_source()
        stage.build_backup()
        self.facts.look(stage)
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
        self.facts.put(
            "backup", ebs_snapshot_arn=points["EBS"].arn, rds_snapshot_arn=points["RDS"].arn
        )

    def before(self, task: Task) -> None:
        """Compare before people work again."""
        if task.step is ServiceStart:
            self.comparisons = compare(self.wanted, self.stage.state("target"))

    def after(self, task: Task) -> None:
        """Note the two moments that s3-point-in-time wants."""
        super().after(task)
        if task.step is S3BatchReplication:
            self.facts.put("target.s3-point-in-time", until=self._now())
        if task.step is SnapshotCopy and self.moment:
            self.facts.put("target.s3-point-in-time", at=_written(self.moment))

    def end(self) -> None:
        """Compare once more: nothing that was tidied up may have taken anything along."""
        self._compare_again()


class Migration(Plot):
    """The source moves, in two phases, while people work."""

    about = "a deployment moves to another account, while people work on it"

    def prepare(self, run: Run) -> None:  # noqa: ARG002 - nothing was run before
        """Make a deployment at work."""
        self.stage.build_source()
        self.facts.look(self.stage)

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
        """Note the recovery points of phase 2, of which the vault then holds several."""
        super().after(task)
        if task.step is OnDemandBackup:
            points = self.stage.points("target")
            self.facts.put("target.volume-restore", ebs_snapshot_arn=points["EBS"].arn)
            self.facts.put("target.db-restore", rds_snapshot_arn=points["RDS"].arn)

    def end(self) -> None:
        """Compare once more: nothing that was tidied up may have taken anything along."""
        self._compare_again()


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


PLOTS: dict[str, type[Plot]] = {"backup": Backup, "restore": Restore, "migration": Migration}
"""Procedure -> its plot."""
