"""Every installation starts with one project."""

from typing import Any

from django.db import migrations


def make_default_project(apps: Any, schema_editor: Any) -> None:
    """Create the project once."""
    project = apps.get_model("accounts", "Project")
    project.objects.get_or_create(slug="default", defaults={"name": "Default"})


class Migration(migrations.Migration):
    """Data step."""

    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunPython(make_default_project, migrations.RunPython.noop)]
