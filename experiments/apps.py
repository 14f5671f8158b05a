"""App of how models are made."""

from django.apps import AppConfig


class ExperimentsConfig(AppConfig):
    """Datasets, experiments, runs, training."""

    name = "experiments"
    label = "experiments"

    def ready(self) -> None:
        """Register jobs, topics and engine calls; nothing heavy is imported."""
        self._register_datasets()
        self._register_training()
        self._register_tracking()

    @staticmethod
    def _register_datasets() -> None:
        from experiments.access import may_follow_dataset
        from platform_site.events import topics
        from platform_site.jobs import engine_host, kinds

        topics.register("dataset", may_follow_dataset)
        ingest = "experiments.services.ingest"
        for kind in ("ingest", "fetch"):
            kinds.register(
                f"datasets.{kind}",
                f"experiments.tasks.datasets:{kind}",
                on_change=f"{ingest}:job_changed",
                on_end=f"{ingest}:ingest_ended",
                preload=("experiments.data.reading", "experiments.data.profiling"),
            )
        kinds.register(
            "datasets.analyse_target",
            "experiments.tasks.datasets:analyse_target",
            on_end="experiments.services.target_analysis:analysis_ended",
        )
        engine_host.register("datasets.rows", "experiments.data.rows:read_rows")
        engine_host.register("datasets.export", "experiments.data.export_call:export")

    @staticmethod
    def _register_training() -> None:
        from experiments.access import may_follow_project, may_follow_run
        from platform_site.events import topics
        from platform_site.jobs import engine_host, kinds

        topics.register("run", may_follow_run)
        topics.register("project", may_follow_project)
        runs = "experiments.services.runs"
        kinds.register(
            "training.train",
            "experiments.tasks.training:train",
            on_change=f"{runs}:training_changed",
            on_end=f"{runs}:training_ended",
            on_beat=f"{runs}:training_beat",
            preload=("experiments.training.engine", "experiments.training.evaluation"),
        )
        kinds.register("training.evaluate", "experiments.tasks.training:evaluate_stopped")
        engine_host.register(
            "runs.predictions", "experiments.training.predictions:read_predictions"
        )
        engine_host.register(
            "runs.export_predictions", "experiments.training.predictions:export_predictions"
        )

    @staticmethod
    def _register_tracking() -> None:
        from monitoring import periodic
        from platform_site.jobs import kinds

        kinds.register("tracking.compact", "experiments.tasks.tracking:compact")
        tracking = "experiments.tracking"
        periodic.register("fold what is left over", 2.0, f"{tracking}.folding.fold_left_over")
        periodic.register("note lost runs", 30.0, f"{tracking}.silence.note_lost_runs")
        compact = "experiments.services.compaction.compact_when_due"
        periodic.register("compact metric points", 20.0, compact)
