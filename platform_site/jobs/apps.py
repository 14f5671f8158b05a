"""App of jobs: the table that is the truth about work in the background."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Jobs, their queue and their supervisor."""

    name = "platform_site.jobs"
    label = "jobs"
