from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("scoring", "0002_scores")]

    operations = [
        migrations.RemoveIndex(model_name="score", name="score_by_measure"),
        migrations.AddIndex(
            model_name="score",
            index=models.Index(
                fields=["setting", "measure", "judge", "translation"],
                include=["value"],
                name="score_by_translation",
            ),
        ),
    ]
