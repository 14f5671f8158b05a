"""Experiments: make, rename, delete with all their runs, restore, label."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from django.db.models import F

from experiments.events.experiments import ExperimentChanged
from experiments.models import Experiment, ExperimentTag, Lifecycle, Run
from experiments.services.default_experiment import default_experiment
from experiments.services.labels import checked_key, checked_labels, write_labels
from platform_site.accounts.access import require
from platform_site.accounts.models import Project, User
from platform_site.core.clock import now, now_ms
from platform_site.core.errors import AlreadyExists, Conflict, Invalid, NotFound
from platform_site.core.transactions import write_transaction
from platform_site.events.publish import publish
from platform_site.jobs import states

MAX_NAME_CHARS: Final = 500
MAX_LOCATION_CHARS: Final = 2048
MAX_TAG_VALUE_CHARS: Final = 20_000
MAX_TAGS: Final = 1000
HIDDEN: Final = frozenset({"Cc", "Cs"})


def experiment_name(text: str, *, field: str = "name") -> str:
    """Return the name in the one spelling under which it is stored and found.

    Raises:
        Invalid: when it is blank, too long or holds control characters.
    """
    name = unicodedata.normalize("NFC", text)
    if not name.strip():
        raise Invalid("The name of an experiment must not be empty.", field=field)
    if len(name) > MAX_NAME_CHARS:
        raise Invalid(
            f"'{field}' exceeds the maximum length of {MAX_NAME_CHARS} characters.", field=field
        )
    if any(unicodedata.category(char) in HIDDEN for char in name):
        raise Invalid("The name of an experiment holds control characters.", field=field)
    return name


def create_experiment(
    *,
    project: Project,
    name: str,
    by: User,
    asked_location: str = "",
    tags: Sequence[tuple[str, str]] = (),
) -> Experiment:
    """Return a new experiment.

    Raises:
        NotFound, Forbidden: for strangers and small roles.
        AlreadyExists: when an experiment of this name exists, deleted ones included.
        Invalid: for a name, place or tag that cannot be kept.
    """
    require(by, project.pk, need="write", what="project")
    name = experiment_name(name)
    location = _checked_location(asked_location)
    labels = _checked_tags(tags)
    moment = now()
    with write_transaction():
        experiment, is_new = Experiment.objects.get_or_create(
            project=project,
            name=name,
            defaults={
                "asked_location": location,
                "created_by": by,
                "created_at": moment,
                "updated_at": moment,
            },
        )
        if not is_new:
            raise _name_taken(experiment)
        write_labels(ExperimentTag, {"experiment_id": experiment.pk}, labels)
        _publish(experiment)
    return experiment


def ensure_default_experiment(*, project: Project, by: User | None = None) -> Experiment:
    """Return the project's default experiment, made if new."""
    with write_transaction():
        # Two projects at once must not both take the number that clients know.
        Project.objects.order_by("pk").select_for_update().first()
        return default_experiment(project, by)


def rename_experiment(*, experiment: Experiment, name: str, by: User) -> None:
    """Give an active experiment another name.

    Raises:
        NotFound, Forbidden: for strangers and small roles.
        AlreadyExists: when another experiment has it.
        Invalid: for a name that cannot be kept, and for a deleted experiment.
    """
    require(by, experiment.project_id, need="write", what="experiment")
    name = experiment_name(name, field="new_name")
    with write_transaction():
        experiment = _locked(experiment)
        _refuse_deleted(experiment)
        other = Experiment.objects.filter(project_id=experiment.project_id, name=name).first()
        if other is not None and other.pk != experiment.pk:
            raise _name_taken(other)
        experiment.name = name
        _touch(experiment, "name")


def delete_experiment(*, experiment: Experiment, by: User) -> None:
    """Hide an experiment and all its runs until it is restored; its name stays taken.

    Raises:
        NotFound: when it is deleted already, and for strangers.
        Forbidden: for small roles.
        Conflict: when a training in it still goes on.
    """
    require(by, experiment.project_id, need="write", what="experiment")
    with write_transaction():
        experiment = _locked(experiment)
        if experiment.lifecycle != Lifecycle.ACTIVE:
            raise NotFound(f"No active Experiment with id={experiment.pk} exists")
        runs = Run.objects.filter(experiment=experiment)
        if runs.filter(kind=Run.Kind.TRAINING, status__in=states.ACTIVE).exists():
            raise Conflict("Trainings of this experiment still go on; stop them first.")
        _set_lifecycle(experiment, Lifecycle.DELETED, deleted_ms=now_ms())


def restore_experiment(*, experiment: Experiment, by: User) -> None:
    """Bring a deleted experiment and all its runs back.

    Raises:
        NotFound: when it is not deleted, and for strangers.
        Forbidden: for small roles.
    """
    require(by, experiment.project_id, need="write", what="experiment")
    with write_transaction():
        experiment = _locked(experiment)
        if experiment.lifecycle != Lifecycle.DELETED:
            raise NotFound(f"No deleted Experiment with id={experiment.pk} exists")
        _set_lifecycle(experiment, Lifecycle.ACTIVE, deleted_ms=None)


def set_experiment_tag(*, experiment: Experiment, key: str, value: str, by: User) -> None:
    """Insert or replace a tag of an active experiment.

    Raises:
        NotFound, Forbidden: for strangers and small roles.
        Invalid: for a key or value that cannot be kept, and for a deleted experiment.
    """
    require(by, experiment.project_id, need="write", what="experiment")
    labels = _checked_tags([(key, value)])
    with write_transaction():
        experiment = _locked(experiment)
        _refuse_deleted(experiment)
        held = ExperimentTag.objects.filter(experiment=experiment)
        if held.count() >= MAX_TAGS and not held.filter(key=key).exists():
            raise Invalid(f"An experiment has at most {MAX_TAGS} tags.", field="key")
        write_labels(ExperimentTag, {"experiment_id": experiment.pk}, labels)
        _touch(experiment)


def delete_experiment_tag(*, experiment: Experiment, key: str, by: User) -> None:
    """Remove a tag of an active experiment.

    Raises:
        NotFound: when there is no such tag, and for strangers.
        Forbidden: for small roles.
        Invalid: for a deleted experiment.
    """
    require(by, experiment.project_id, need="write", what="experiment")
    checked_key(key)
    with write_transaction():
        experiment = _locked(experiment)
        _refuse_deleted(experiment)
        n_deleted, _ = ExperimentTag.objects.filter(experiment=experiment, key=key).delete()
        if not n_deleted:
            raise NotFound(f"No tag with name: {key} in experiment with id {experiment.pk}")
        _touch(experiment)


def _locked(experiment: Experiment) -> Experiment:
    """Return the experiment as it is now; nobody adds a run to it until the transaction ends."""
    return Experiment.objects.select_for_update().get(pk=experiment.pk)


def _set_lifecycle(experiment: Experiment, lifecycle: Lifecycle, *, deleted_ms: int | None) -> None:
    runs = Run.objects.filter(experiment=experiment).exclude(lifecycle=lifecycle)
    # In the order of their ids, as the writer locks them: nobody waits in a circle.
    _lock_all(runs.order_by("id").select_for_update(no_key=True).values_list("id", flat=True))
    runs.update(lifecycle=lifecycle, deleted_ms=deleted_ms, version=F("version") + 1)
    experiment.lifecycle = lifecycle
    _touch(experiment, "lifecycle")


def _lock_all(ids: Iterable[int]) -> None:
    for _ in ids:
        pass


def _touch(experiment: Experiment, *fields: str) -> None:
    experiment.updated_at = now()
    experiment.save(update_fields=[*fields, "updated_at"])
    _publish(experiment)


def _publish(experiment: Experiment) -> None:
    event = ExperimentChanged(
        experiment_id=experiment.pk, name=experiment.name, lifecycle=experiment.lifecycle
    )
    publish(f"project:{experiment.project_id}", event)


def _refuse_deleted(experiment: Experiment) -> None:
    if experiment.lifecycle != Lifecycle.ACTIVE:
        raise Invalid(
            f"The experiment {experiment.pk} must be in the 'active' state. Current state is"
            f" {experiment.lifecycle}."
        )


def _name_taken(experiment: Experiment) -> AlreadyExists:
    state = " in deleted state" if experiment.lifecycle == Lifecycle.DELETED else ""
    return AlreadyExists(f"Experiment '{experiment.name}' already exists{state}.", field="name")


def _checked_tags(tags: Sequence[tuple[str, str]]) -> dict[str, str]:
    if len(tags) > MAX_TAGS:
        raise Invalid(f"An experiment has at most {MAX_TAGS} tags.", field="tags")
    return checked_labels(tags, max_value_chars=MAX_TAG_VALUE_CHARS)


def _checked_location(text: str) -> str:
    if len(text) > MAX_LOCATION_CHARS:
        raise Invalid(
            f"'artifact_location' exceeds the maximum length of {MAX_LOCATION_CHARS} characters.",
            field="artifact_location",
        )
    if any(unicodedata.category(char) in HIDDEN for char in text):
        raise Invalid("'artifact_location' holds control characters.", field="artifact_location")
    if text.startswith("runs:") or ("://" in text and ("?" in text or "#" in text)):
        raise Invalid(
            "An artifact location is no runs:/ address and has no query and no fragment.",
            field="artifact_location",
        )
    return text.rstrip("/")
