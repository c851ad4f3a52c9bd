"""The newest verdict, stored on the draft: the queue need not look it up for every row."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("curation", "0010_taxonomy_editing")]

    operations = [
        migrations.AddField(
            model_name="draft",
            name="judged",
            field=models.CharField(
                blank=True,
                default="",
                editable=False,
                help_text="The newest verdict on the newest revision, as outcome/kind/reason; "
                "empty: not run",
                max_length=100,
            ),
        ),
    ]
