"""Doing a dataset's job in this process, and counting what is stored."""

from pathlib import Path

from django.conf import settings
from django.db.models.functions import Now

from experiments.models import Dataset
from experiments.services import datasets
from platform_site.core.errors import DomainError
from platform_site.core.transactions import write_transaction
from platform_site.jobs import kinds, states
from platform_site.jobs.child_process import work_dir_of
from platform_site.jobs.context import JobContext
from platform_site.jobs.models import Job
from platform_site.jobs.transitions import move

KOI = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "nasa_kepler_koi.csv"
SMALL = b"id,size,colour\n1,2.5,red\n2,3.5,blue\n3,,red\n4,1.5,red\n"


def stored_files() -> set[str]:
    """Return the names of all files in the store and in the room for unfinished ones."""
    root: Path = settings.DATA_DIR
    return {
        str(path.relative_to(root))
        for room in ("blobs", "incoming")
        for path in (root / room).rglob("*")
        if path.is_file()
    }


def upload(
    project, by, content=SMALL, *, name="Stars", file_name="stars.csv", dataset=None, **extra
):
    """Upload bytes and return the outcome."""
    return datasets.upload_version(
        project_id=project.pk,
        by=by,
        upload=datasets.Upload(chunks=[content], file_name=file_name, **extra),
        name=name if dataset is None else "",
        dataset=dataset,
    )


def do_job(job: Job) -> Job:
    """Do the job's task here, the way a child process does, and end the job as its supervisor does."""
    with write_transaction():
        job = move(
            Job.objects.get(pk=job.pk), states.RUNNING, bump_fence=True, lease_until=Now(),
            attempts=1,
        )  # fmt: skip
    context = JobContext(job, work_dir_of(job.pk))
    failure: dict[str, str] = {}
    try:
        kinds.resolve(kinds.get(job.kind).task)(context)
    except Exception as error:
        if not (isinstance(error, DomainError) or hasattr(error, "details")):
            raise
        failure = {"error_code": error.code, "error_message": error.message}
    finally:
        context.close()
    with write_transaction():
        fresh = Job.objects.get(pk=job.pk)
        return move(fresh, states.FAILED if failure else states.COMPLETED, **failure)


def ready_version(project, by, content=SMALL, **kwargs):
    """Upload, read, and return the fresh version."""
    version = upload(project, by, content, **kwargs).version
    do_job(version.job)
    version.refresh_from_db()
    return version


def bare_datasets(project, by, n: int) -> list[Dataset]:
    """Make datasets without versions, for lists."""
    from platform_site.core.clock import now

    return Dataset.objects.bulk_create(
        Dataset(project=project, name=f"set {i}", created_by=by, created_at=now()) for i in range(n)
    )
