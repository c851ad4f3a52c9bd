"""Categories and subcategories that people rename, merge and split."""

import django.db.models.deletion
from django.db import migrations, models


def _added(model: str) -> list[migrations.AddField]:
    return [
        migrations.AddField(
            model_name=model,
            name="edited",
            field=models.BooleanField(
                default=False, help_text="People changed it: what is shipped does not overwrite it"
            ),
        ),
        migrations.AddField(
            model_name=model, name="retired", field=models.BooleanField(default=False)
        ),
        migrations.AddField(
            model_name=model,
            name="merged_into",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=f"curation.{model}",
            ),
        ),
    ]


class Migration(migrations.Migration):
    dependencies = [("curation", "0009_search")]

    operations = [
        *_added("category"),
        *_added("subcategory"),
        migrations.AlterField(
            model_name="category", name="name", field=models.CharField(max_length=100)
        ),
        migrations.AddConstraint(
            model_name="category",
            constraint=models.UniqueConstraint(
                condition=models.Q(("retired", False)),
                fields=("name",),
                name="category_name_unique",
            ),
        ),
        migrations.AddConstraint(
            model_name="category",
            constraint=models.CheckConstraint(
                condition=models.Q(("merged_into__isnull", True), ("retired", False))
                | models.Q(("merged_into__isnull", False), ("retired", True)),
                name="category_retired_is_merged",
            ),
        ),
        migrations.RemoveConstraint(model_name="subcategory", name="subcategory_name_unique"),
        migrations.AddConstraint(
            model_name="subcategory",
            constraint=models.UniqueConstraint(
                condition=models.Q(("retired", False)),
                fields=("category", "name"),
                name="subcategory_name_unique",
            ),
        ),
        migrations.AddConstraint(
            model_name="subcategory",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("merged_into__isnull", True), ("retired", True), _connector="OR"
                ),
                name="subcategory_merged_is_retired",
            ),
        ),
    ]
