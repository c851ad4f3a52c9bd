"""Fill in the newest verdict of every draft."""

from django.db import migrations

FILL = """
UPDATE curation_draft SET judged = found.text FROM (
    SELECT DISTINCT ON (head.draft_id)
        head.draft_id, verdict.outcome || '/' || verdict.kind || '/' || verdict.reason AS text
    FROM (
        SELECT DISTINCT ON (draft_id) draft_id, sha256
        FROM curation_revision ORDER BY draft_id, number DESC
    ) head
    JOIN curation_draft draft ON draft.id = head.draft_id
    JOIN executor_run run ON run.example_id = draft.example_id AND run.code_hash = head.sha256
    JOIN executor_verdict verdict ON verdict.run_id = run.id
    ORDER BY head.draft_id, run.id DESC
) found WHERE curation_draft.id = found.draft_id
"""


class Migration(migrations.Migration):
    dependencies = [("executor", "0003_measurement"), ("curation", "0011_stored_verdict")]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
