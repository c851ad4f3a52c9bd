from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("curation", "0002_append_only"),
        ("executor", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Worker",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(help_text="host:process", max_length=200, unique=True)),
                ("queues", models.JSONField(default=list)),
                ("concurrency", models.PositiveSmallIntegerField(default=1)),
                ("isolation", models.CharField(blank=True, max_length=100)),
                ("started_at", models.DateTimeField(auto_now_add=True)),
                ("seen_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="run",
            name="run_key_unique",
        ),
        migrations.AddField(
            model_name="run",
            name="device",
            field=models.CharField(
                choices=[("cpu", "CPU"), ("gpu", "GPU")], default="cpu", max_length=10
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="due_at",
            field=models.DateTimeField(
                blank=True, help_text="Queued, but not before this", null=True
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="part",
            field=models.CharField(
                blank=True,
                choices=[
                    ("reference", "the reference runs"),
                    ("candidate", "the candidate runs"),
                    ("compare", "both are compared"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="runtime_hash",
            field=models.CharField(
                blank=True, help_text="Over the packages of both sides' runtimes", max_length=64
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="sent_at",
            field=models.DateTimeField(
                blank=True, help_text="Its newest message to workers", null=True
            ),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.UniqueConstraint(
                fields=("example", "code_hash", "contract_hash", "runtime", "runtime_hash"),
                name="run_key_unique",
            ),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.CheckConstraint(
                condition=models.Q(("device__in", ["cpu", "gpu"])), name="run_device_known"
            ),
        ),
    ]
