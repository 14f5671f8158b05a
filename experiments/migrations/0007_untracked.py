"""The rows that 0006 carried over are gone from their old places."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("experiments", "0006_carry_over")]

    operations = [
        migrations.RemoveField(
            model_name="run",
            name="ended_at",
        ),
        migrations.RemoveField(
            model_name="run",
            name="started_at",
        ),
        migrations.DeleteModel(
            name="MetricPoint",
        ),
        migrations.DeleteModel(
            name="Param",
        ),
        migrations.DeleteModel(
            name="Tag",
        ),
    ]
