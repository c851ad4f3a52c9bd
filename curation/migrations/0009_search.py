"""Search in code and names: an index over three-letter pieces, which LIKE '%words%' uses."""

from django.db import migrations

COLUMNS = {
    "curation_revision": ["code"],
    "curation_example": ["pytorch_code", "title", "example_id"],
    "curation_draft": ["model"],
}


def _sql(template: str) -> str:
    return "".join(
        template.format(table=table, column=column)
        for table, columns in COLUMNS.items()
        for column in columns
    )


class Migration(migrations.Migration):
    dependencies = [("curation", "0008_assignment")]
    operations = [
        migrations.RunSQL("CREATE EXTENSION IF NOT EXISTS pg_trgm", migrations.RunSQL.noop),
        migrations.RunSQL(
            _sql(
                "CREATE INDEX {table}_{column}_search ON {table} "
                "USING gin (upper({column}) gin_trgm_ops);"
            ),
            _sql("DROP INDEX {table}_{column}_search;"),
        ),
    ]
