"""Prompt versions may be added, and removed with their template, never changed."""

from django.db import migrations

FORWARD = """
CREATE TRIGGER prompt_version_is_immutable BEFORE UPDATE ON curation_promptversion
    FOR EACH ROW
    WHEN (ROW(OLD.id, OLD.template_id, OLD.number, OLD.system, OLD.text, OLD.sha256, OLD.created_at)
        IS DISTINCT FROM
        ROW(NEW.id, NEW.template_id, NEW.number, NEW.system, NEW.text, NEW.sha256, NEW.created_at))
    EXECUTE FUNCTION curation_refuse_change();
"""

BACKWARD = "DROP TRIGGER prompt_version_is_immutable ON curation_promptversion;"


class Migration(migrations.Migration):
    dependencies = [("curation", "0003_language_models")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
