"""What a procedure is: parts with tasks, in order, and the words for people apart from both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, NamedTuple, Optional

from codeocean_cmdgen import vendor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codeocean_cmdgen.inputs.deployment_file import DeploymentFile
    from codeocean_cmdgen.inputs.resolve import Given
    from codeocean_cmdgen.steps import Step

Derive = Callable[["DeploymentFile"], "dict[str, Given]"]
"""Derives values of a step from what the deployment file says about another deployment."""


class Prose(NamedTuple):
    """What a task tells people.

    title: what the task does, for the table of contents.
    by_hand: what to do by hand, before the script if there is one; one paragraph per line.
    where: where to do a manual task; a step's header names its own place.
    takes: how long a manual task takes; a step's header says this for its script.
    otherwise: what to do if the situation is not the usual one.
    done: how to recognize success. results: what uses the results. stop: when to stop.
    seen_to: what has already completed the task; empty if it is still to do.

    Words in braces stand for what is known later: {file}, the name of the deployment file; {step}
    and {run}, those of the task; {temporary_database}, the name of the temporary database instance;
    {s3_backup_role}, the vendor's name.
    """

    title: str
    by_hand: str = ""
    where: str = ""
    takes: str = ""
    otherwise: str = ""
    done: str = ""
    results: str = ""
    stop: str = ""
    seen_to: str = ""


class Heading(NamedTuple):
    """What a part tells people: its title, and one sentence or two about it."""

    title: str
    about: str


def _nothing(file: DeploymentFile) -> dict[str, Given]:  # noqa: ARG001 - the signature of the others
    return {}


class Task(NamedTuple):
    """One task: a script, or something to do by hand.

    number: the number in the guide; a letter marks our own additions.
    prose: what it tells people.
    deployment: the deployment that the task belongs to: a table of the deployment file.
    place: the kind of place, if no step names it.
    step, options, derive: the script, and the values that this procedure gives it.
    needs: values that are optional for the step but required here, each with the deployment for
    which `discover` finds it; empty if `discover` does not find it.
    joins: the number of an earlier task whose script this one may follow in the same paste,
    because it does not depend on the tasks between them.
    shows: values that the person should check.
    """

    number: str
    prose: Prose
    deployment: str
    place: str = "hand"
    step: Optional[type[Step]] = None
    options: Mapping[str, str] = {}
    derive: Derive = _nothing
    needs: Mapping[str, str] = {}
    joins: str = ""
    shows: tuple[str, ...] = ()

    def naming(self, file: DeploymentFile, name: str) -> Task:
        """Return the task with what the words in braces stand for.

        name: what the task's commands call the deployment file.
        """
        words = {
            "file": name,
            "step": self.step.name if self.step else "",
            "run": self.options.get("run", ""),
            "temporary_database": file.temporary_database,
            "s3_backup_role": vendor.S3_BACKUP_ROLE,
        }
        return self._replace(prose=Prose(*(text.format(**words) for text in self.prose)))


class Part(NamedTuple):
    """A part of a procedure, with a heading."""

    heading: Heading
    tasks: tuple[Task, ...]


class Procedure(NamedTuple):
    """A procedure: what is done with which deployments, in order.

    origin, destination: the deployments that data is copied from and to.
    host: the deployment on whose services instance scripts run.
    """

    name: str
    origin: str
    destination: str
    host: str
    parts: tuple[Part, ...]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks, in order."""
        return tuple(task for part in self.parts for task in part.tasks)

    @property
    def steps(self) -> tuple[type[Step], ...]:
        """The steps in the order of their first tasks."""
        return self._steps(self.tasks)

    def steps_of(self, deployment: str) -> tuple[type[Step], ...]:
        """Return the steps that belong to a deployment."""
        return self._steps(task for task in self.tasks if task.deployment == deployment)

    @staticmethod
    def _steps(tasks: Iterable[Task]) -> tuple[type[Step], ...]:
        return tuple(dict.fromkeys(task.step for task in tasks if task.step))
