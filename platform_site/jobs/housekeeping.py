"""Clearing what jobs leave on disk: checkpoints of work that is over."""

import logging
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db.models import Q

from platform_site.core.clock import now
from platform_site.jobs import states
from platform_site.jobs.models import Job

logger = logging.getLogger("assay.jobs")

KEEP_COMPLETED: Final = timedelta(hours=1)
KEEP_OTHERS: Final = timedelta(days=7)  # long enough to try again from the checkpoint


def clear_work_dirs() -> int:
    """Delete the private directories of jobs that ended long enough ago; return how many."""
    root: Path = settings.DATA_DIR / "jobs"
    present = {int(path.name): path for path in root.glob("*") if path.name.isdigit()}
    over = Job.objects.filter(pk__in=list(present)[:1000]).filter(
        Q(status=states.COMPLETED, finished_at__lt=now() - KEEP_COMPLETED)
        | Q(status__in=sorted(states.FINAL), finished_at__lt=now() - KEEP_OTHERS)
    )
    numbers = list(over.values_list("pk", flat=True))
    for number in numbers:
        shutil.rmtree(present[number], ignore_errors=True)
    if numbers:
        logger.info("cleared the directories of %d ended jobs", len(numbers))
    return len(numbers)
