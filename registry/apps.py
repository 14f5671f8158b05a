"""App of models in service."""

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    """Registered models, their versions and what they predict."""

    name = "registry"
    label = "registry"

    def ready(self) -> None:
        """Register jobs, topics and engine calls; nothing heavy is imported."""
        from experiments import packaging
        from platform_site.events import topics
        from platform_site.jobs import engine_host, kinds
        from registry.access import may_follow_batch

        packaging.register(
            package="registry.serving.packaging:package_model",
            card="registry.serving.model_card:model_card",
            beside="registry.serving.client_folder:client_files",
        )
        topics.register("prediction", may_follow_batch)
        kinds.listen_to_end("training.train", "registry.services.versions:training_ended")
        kinds.register(
            "models.predict",
            "registry.tasks.predictions:predict",
            on_change="registry.services.predictions:prediction_changed",
            on_end="registry.services.predictions:prediction_ended",
        )
        engine_host.register("models.predict", "registry.serving.predict:predict_rows")
        engine_host.register("models.explain", "registry.serving.predict:explain_rows")
        engine_host.register("models.export", "registry.serving.predict:export_file")
