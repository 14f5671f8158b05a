"""The experiment that takes runs which name none; clients of the protocol call it ``0``."""

from experiments.models import Experiment, Lifecycle
from experiments.models.experiments import DEFAULT_EXPERIMENT
from platform_site.accounts.models import Project, User
from platform_site.core.clock import now
from platform_site.core.errors import Conflict

FIRST_ID = 0
"""Number of the first project's default experiment, which clients know without asking."""


def experiment_for(project: Project, name: str, by: User) -> Experiment:
    """Return the experiment of this name, made if new; inside the caller's transaction.

    Raises:
        Conflict: when it was deleted.
    """
    if not name or name == DEFAULT_EXPERIMENT:
        return default_experiment(project, by)
    moment = now()
    experiment, _ = Experiment.objects.get_or_create(
        project=project,
        name=name,
        defaults={"created_by": by, "created_at": moment, "updated_at": moment},
    )
    if experiment.lifecycle != Lifecycle.ACTIVE:
        raise Conflict("This experiment is deleted; restore it or choose another.")
    return experiment


def default_experiment(project: Project, by: User | None) -> Experiment:
    """Return the project's default experiment, made if new; inside the caller's transaction."""
    experiment = Experiment.objects.filter(project=project, is_default=True).first()
    if experiment is None:
        moment = now()
        number = {} if Experiment.objects.filter(pk=FIRST_ID).exists() else {"pk": FIRST_ID}
        experiment, _ = Experiment.objects.get_or_create(
            project=project,
            name=DEFAULT_EXPERIMENT,
            defaults={
                **number,
                "is_default": True,
                "created_by": by,
                "created_at": moment,
                "updated_at": moment,
            },
        )
    return experiment
