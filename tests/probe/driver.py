"""A process beside a live installation that does what a test asks: one JSON line in, one out."""

import json
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")


def main() -> None:
    import django

    django.setup()
    from django.db import connection

    from platform_site.core.transactions import write_transaction
    from platform_site.jobs import control
    from platform_site.jobs.models import Job
    from platform_site.jobs.queue import enqueue
    from platform_site.jobs.reaper import reap

    def start(kind, payload, **limits):
        with write_transaction():
            return enqueue(kind, payload=payload, topic="", project_id=None, by=None, **limits).pk

    def look(job_id):
        job = Job.objects.get(pk=job_id)
        names = (
            "status stage progress_percent attempts fence worker child_pid error_code "
            "error_message traceback result"
        ).split()
        return {name: getattr(job, name) for name in names}

    def act(job_id, action):
        return control.control_job(job_id=job_id, action=action).status

    commands = {"start": start, "look": look, "act": act, "reap": reap}
    for line in sys.stdin:
        name, args, kwargs = json.loads(line)
        print(json.dumps(commands[name](*args, **kwargs)), flush=True)
        connection.close()


if __name__ == "__main__":
    main()
