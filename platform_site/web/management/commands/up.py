"""Run the whole product: web server, queue workers and sampler under one supervisor."""

import gc
import logging
import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from platform_site.core.lifeline import follow, follow_in_forks, make_lifeline
from platform_site.supervisor import roles
from platform_site.supervisor.loop import Supervisor
from platform_site.supervisor.processes import Role, describe_status, fork
from platform_site.supervisor.start import (
    CannotStart,
    listen,
    refuse_unsafe_address,
    take_lock,
)
from platform_site.supervisor.state import RunningState, write_state

logger = logging.getLogger("assay.up")
FIRST_SIGN_IN = "platform_site.accounts.services.first_sign_in.first_sign_in_path"


class Command(BaseCommand):
    help = "Runs web server, queue workers and sampler; Ctrl-C ends everything."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            code = self._run()
        except CannotStart as error:
            raise CommandError(str(error), returncode=2) from error
        except KeyboardInterrupt:
            code = 130
        sys.stdout.flush()
        sys.exit(code)

    def _run(self) -> int:
        run_dir = settings.DATA_DIR / "run"
        refuse_unsafe_address(settings.HOST, settings.ALLOWED_HOSTS)
        lock = take_lock(run_dir)
        listener = listen(settings.HOST, settings.PORT)
        lifeline = make_lifeline()
        url = address(settings.HOST, settings.PORT)

        def in_child(role: Role) -> None:
            lock.close()
            lifeline.close_write_end()
            if role.name != "web":
                listener.close()
            if role.name == "cluster":
                follow_in_forks(lifeline.read_fd)
            else:
                follow(lifeline.read_fd)

        roles.preload()
        gc.collect()
        gc.disable()
        gc.freeze()
        preparation = Role("preparation", lambda: roles.prepare(FIRST_SIGN_IN, url))
        _, status = os.waitpid(fork(preparation, in_child), 0)
        if status:
            raise CannotStart(f"The preparation {describe_status(status)}; nothing was started.")

        supervisor = Supervisor(
            [
                Role("web", lambda: roles.run_web(listener)),
                Role("cluster", roles.run_cluster),
                Role("sampler", roles.run_sampler),
            ],
            in_child=in_child,
            on_change=lambda: write_state(
                run_dir, RunningState(os.getpid(), url, supervisor.pids())
            ),
        )
        self.stdout.write(f"Assay {settings.VERSION} at {url}/  (Ctrl-C ends it)")
        self.stdout.flush()
        return supervisor.run()


def address(host: str, port: int) -> str:
    """Return the URL that a person on this machine types."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)  # noqa: S104
    return f"http://{shown}:{port}"
