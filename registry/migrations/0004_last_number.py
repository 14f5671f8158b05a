"""A model's greatest version number is known by the model from now on."""

from django.db import migrations
from django.db.models import Max


def note_last_numbers(apps, schema_editor):
    models = apps.get_model("registry", "RegisteredModel").objects
    for model in models.annotate(newest=Max("versions__number")).filter(newest__gt=0).iterator():
        models.filter(pk=model.pk).update(last_number=model.newest)


class Migration(migrations.Migration):
    dependencies = [("registry", "0003_tracking")]

    operations = [migrations.RunPython(note_last_numbers, migrations.RunPython.noop)]
