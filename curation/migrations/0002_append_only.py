"""Revisions and audit events may be added and removed with their owner, never changed."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION curation_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% % is never changed', TG_TABLE_NAME, OLD.id
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER revision_is_immutable BEFORE UPDATE ON curation_revision
    FOR EACH ROW
    WHEN (ROW(OLD.id, OLD.draft_id, OLD.number, OLD.code, OLD.sha256, OLD.origin, OLD.created_at)
        IS DISTINCT FROM
        ROW(NEW.id, NEW.draft_id, NEW.number, NEW.code, NEW.sha256, NEW.origin, NEW.created_at))
    EXECUTE FUNCTION curation_refuse_change();
CREATE TRIGGER audit_event_is_immutable BEFORE UPDATE ON curation_auditevent
    FOR EACH ROW
    WHEN (ROW(OLD.id, OLD.at, OLD.action, OLD.target_type, OLD.target_id, OLD.target, OLD.data)
        IS DISTINCT FROM
        ROW(NEW.id, NEW.at, NEW.action, NEW.target_type, NEW.target_id, NEW.target, NEW.data))
    EXECUTE FUNCTION curation_refuse_change();
-- A step's subcategory belongs to its category.
ALTER TABLE curation_subcategory
    ADD CONSTRAINT subcategory_with_category UNIQUE (id, category_id);
ALTER TABLE curation_fixstep ADD CONSTRAINT step_subcategory_of_category
    FOREIGN KEY (subcategory_id, category_id) REFERENCES curation_subcategory (id, category_id)
    DEFERRABLE INITIALLY DEFERRED;
"""

BACKWARD = """
ALTER TABLE curation_fixstep DROP CONSTRAINT step_subcategory_of_category;
ALTER TABLE curation_subcategory DROP CONSTRAINT subcategory_with_category;
DROP TRIGGER audit_event_is_immutable ON curation_auditevent;
DROP TRIGGER revision_is_immutable ON curation_revision;
DROP FUNCTION curation_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("curation", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
