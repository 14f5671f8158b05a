"""Writing a running training's progress: curves, log lines and events, one transaction a beat."""

from collections.abc import Iterator
from typing import Any, Final

from experiments.events.runs import RunLogged, RunProgressed, metric_events, run_topic
from experiments.models import Run
from experiments.tracking.points import append_points
from platform_site.core.clock import now_ms
from platform_site.events.publish import publish
from platform_site.jobs.models import JobLogLine

# An event holds at most 256 KiB of JSON, in which one character can take six bytes.
MAX_EVENT_CHARS: Final = 30_000
LINE_OVERHEAD_CHARS: Final = 100


class ProgressRecorder:
    """The `on_flush` of a training's job; remembers units between beats."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.topic = run_topic(run.uuid)
        self.units: tuple[int, int] | None = None

    def __call__(self, shown: dict[str, Any], items: list[tuple[int, dict[str, float]]]) -> None:
        """Write the points and tell followers, inside the flush's transaction."""
        self._write_points(items)
        if "progress_percent" in shown:
            done, total = self.units or (None, None)
            publish(
                self.topic,
                RunProgressed(
                    stage=shown["stage"],
                    progress=round(shown["progress_percent"], 2),
                    eta_s=shown["eta_s"],
                    units_done=done,
                    units_total=total,
                ),
            )
        series: dict[str, list[tuple[int, float | None]]] = {}
        for step, values in items:
            for key, value in values.items():
                series.setdefault(key, []).append((step, value))
        for event in metric_events(series):
            publish(self.topic, event)
        for lines in _portions(shown["log_lines"]):
            publish(self.topic, RunLogged(lines=[line_data(line) for line in lines]))

    def _write_points(self, items: list[tuple[int, dict[str, float]]]) -> None:
        moment_ms = now_ms()
        append_points(
            self.run.pk,
            (
                (key, step, moment_ms, float(value))
                for step, values in items
                for key, value in values.items()
            ),
        )


def _portions(lines: list[JobLogLine]) -> Iterator[list[JobLogLine]]:
    """Yield the lines in portions that one event can carry."""
    portion: list[JobLogLine] = []
    n_chars = 0
    for line in lines:
        if portion and n_chars + len(line.text) > MAX_EVENT_CHARS:
            yield portion
            portion, n_chars = [], 0
        portion.append(line)
        n_chars += len(line.text) + LINE_OVERHEAD_CHARS
    if portion:
        yield portion


def line_data(line: JobLogLine) -> dict[str, Any]:
    """Return a log line as the wire carries it."""
    return {
        "n": line.number,
        "at": line.at.isoformat(),
        "level": line.level,
        "text": line.text,
    }
