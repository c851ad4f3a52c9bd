"""Tokens that were kept as they are become hashes; their holders notice nothing."""

from django.db import migrations

SQL = """
DO $$
BEGIN
    IF to_regclass('authtoken_token') IS NOT NULL THEN
        INSERT INTO curation_apitoken (user_id, name, start, sha256, created_at)
        SELECT user_id, 'made before', left(key, 8),
               encode(sha256(convert_to(key, 'UTF8')), 'hex'), created
        FROM authtoken_token;
        DROP TABLE authtoken_token;
    END IF;
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("curation", "0014_api_tokens_webhooks")]
    operations = [migrations.RunSQL(SQL, migrations.RunSQL.noop)]
