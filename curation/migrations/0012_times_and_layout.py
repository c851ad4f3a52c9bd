"""Whether a dataset's members see each other's time, and the layout of a person's workbench."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("curation", "0011_stored_verdict"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="dataset",
            name="times_shown",
            field=models.BooleanField(
                default=False,
                help_text="Every member sees how long each person took for each step",
            ),
        ),
        migrations.CreateModel(
            name="Layout",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "left",
                    models.FloatField(help_text="Width of the reference, in percent of the panes"),
                ),
                (
                    "right",
                    models.FloatField(help_text="Width of the verdict, in percent of the panes"),
                ),
                (
                    "at",
                    models.BigIntegerField(
                        help_text="When the person set it, in milliseconds since 1970"
                    ),
                ),
            ],
        ),
    ]
