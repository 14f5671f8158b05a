"""An app of the tests only: jobs that count, crash, hog and wait, for trying the machinery."""

from django.apps import AppConfig

from platform_site.jobs import kinds


class ProbeConfig(AppConfig):
    name = "tests.probe"
    label = "probe"

    def ready(self) -> None:
        for name in ("count", "crash", "fail", "hog", "spin"):
            kinds.register(f"probe.{name}", f"tests.probe.tasks:{name}")
