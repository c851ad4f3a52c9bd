"""Lists of large datasets: drafts are counted where they are written, and read by indexes."""

# ruff: noqa: S608 - every part of these statements is written here

import django.db.models.deletion
from django.db import migrations, models

_COLUMNS = "(dataset_id, difficulty, status, judged, blind, repeated, number)"

# Written as changes: two transactions that count the same sort need not wait for each other.
_ADD_UP = f"""
CREATE FUNCTION curation_add_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- One row for each sort again. What another transaction is adding up is left to it.
    WITH taken AS (
        DELETE FROM curation_draftcount WHERE id IN (
            SELECT id FROM curation_draftcount WHERE dataset_id = NEW.dataset_id
            FOR UPDATE SKIP LOCKED
        )
        RETURNING *
    )
    INSERT INTO curation_draftcount {_COLUMNS}
    SELECT dataset_id, difficulty, status, judged, blind, repeated, sum(number) FROM taken
    GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(number) <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER counts_grew AFTER INSERT ON curation_draftcount FOR EACH ROW
    WHEN (NEW.id % 200 = 0 AND pg_trigger_depth() < 2) EXECUTE FUNCTION curation_add_up();
"""

_COUNTED = "example_id, status, judged, blind, original_id IS NOT NULL"


def _drafts(rows: str, number: str) -> str:
    return f"""
        INSERT INTO curation_draftcount {_COLUMNS}
        SELECT example.dataset_id, example.difficulty, draft.status, draft.judged, draft.blind,
            draft.original_id IS NOT NULL, {number}
        FROM {rows} draft JOIN curation_example example ON example.id = draft.example_id
        GROUP BY 1, 2, 3, 4, 5, 6;"""


def _without(rows: str, number: str) -> str:
    """Examples that have no draft beside these: with an empty status."""
    return f"""
        INSERT INTO curation_draftcount {_COLUMNS}
        SELECT dataset_id, difficulty, '', '', false, false, {number}
        FROM curation_example example
        WHERE id IN (SELECT example_id FROM {rows}) AND NOT EXISTS (
            SELECT FROM curation_draft other
            WHERE other.example_id = example.id AND other.id NOT IN (SELECT id FROM {rows})
        )
        GROUP BY 1, 2;"""


def _lock(rows: str) -> str:
    """Whoever adds or removes drafts of an example, or changes it, does so after another."""
    return f"""
        PERFORM FROM curation_example WHERE id IN (SELECT example_id FROM {rows})
            ORDER BY id FOR NO KEY UPDATE;"""


_DRAFTS = f"""
CREATE FUNCTION curation_drafts_came() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN{_lock("came")}{_drafts("came", "count(*)")}{_without("came", "-count(*)")}
    RETURN NULL;
END $$;
CREATE FUNCTION curation_drafts_went() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN{_lock("went")}{_drafts("went", "-count(*)")}{_without("went", "count(*)")}
    RETURN NULL;
END $$;
CREATE FUNCTION curation_drafts_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Most changes, as of a lease, are of nothing that is counted.
    IF EXISTS (SELECT {_COUNTED} FROM came EXCEPT ALL SELECT {_COUNTED} FROM went) THEN
        {_drafts("came", "count(*)")}{_drafts("went", "-count(*)")}
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER drafts_came AFTER INSERT ON curation_draft REFERENCING NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION curation_drafts_came();
CREATE TRIGGER drafts_went AFTER DELETE ON curation_draft REFERENCING OLD TABLE AS went
    FOR EACH STATEMENT EXECUTE FUNCTION curation_drafts_went();
CREATE TRIGGER drafts_changed AFTER UPDATE ON curation_draft
    REFERENCING OLD TABLE AS went NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION curation_drafts_changed();
-- It is a translation of that program and of no other.
CREATE TRIGGER draft_stays BEFORE UPDATE OF example_id ON curation_draft FOR EACH ROW
    WHEN (OLD.example_id <> NEW.example_id) EXECUTE FUNCTION curation_refuse_change();
"""


def _of_example(row: str, sign: str) -> str:
    return f"""
    INSERT INTO curation_draftcount {_COLUMNS}
    SELECT {row}.dataset_id, {row}.difficulty, status, judged, blind, original_id IS NOT NULL,
        {sign}count(*)
    FROM curation_draft WHERE example_id = {row}.id GROUP BY 1, 2, 3, 4, 5, 6
    UNION ALL
    SELECT {row}.dataset_id, {row}.difficulty, '', '', false, false, {sign}1
    WHERE NOT EXISTS (SELECT FROM curation_draft WHERE example_id = {row}.id);"""


_EXAMPLES = f"""
CREATE FUNCTION curation_examples_came() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO curation_draftcount {_COLUMNS}
    SELECT dataset_id, difficulty, '', '', false, false, count(*) FROM came GROUP BY 1, 2;
    RETURN NULL;
END $$;
CREATE FUNCTION curation_example_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A draft that is being changed is waited for: it was counted under the example as it was.
    PERFORM FROM curation_draft WHERE example_id = OLD.id ORDER BY id FOR NO KEY UPDATE;
    {_of_example("OLD", "-")}{_of_example("NEW", "")}
    RETURN NULL;
END $$;
CREATE FUNCTION curation_example_went() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN{_of_example("OLD", "-")}
    RETURN NULL;
END $$;
CREATE FUNCTION curation_dataset_went() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM curation_draftcount WHERE dataset_id = OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER examples_came AFTER INSERT ON curation_example REFERENCING NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION curation_examples_came();
CREATE TRIGGER example_changed AFTER UPDATE OF difficulty, dataset_id ON curation_example
    FOR EACH ROW
    WHEN ((OLD.difficulty, OLD.dataset_id) IS DISTINCT FROM (NEW.difficulty, NEW.dataset_id))
    EXECUTE FUNCTION curation_example_changed();
CREATE TRIGGER example_went AFTER DELETE ON curation_example
    FOR EACH ROW EXECUTE FUNCTION curation_example_went();
CREATE TRIGGER dataset_went AFTER DELETE ON curation_dataset
    FOR EACH ROW EXECUTE FUNCTION curation_dataset_went();
"""

# What is there already, and what came past the triggers.
RECOUNT = f"""
INSERT INTO curation_draftcount {_COLUMNS}
SELECT example.dataset_id, example.difficulty, draft.status, draft.judged, draft.blind,
    draft.original_id IS NOT NULL, count(*)
FROM curation_draft draft JOIN curation_example example ON example.id = draft.example_id
GROUP BY 1, 2, 3, 4, 5, 6
UNION ALL
SELECT dataset_id, difficulty, '', '', false, false, count(*)
FROM curation_example example
WHERE NOT EXISTS (SELECT FROM curation_draft WHERE example_id = example.id)
GROUP BY 1, 2;
"""

FORWARD = _ADD_UP + _DRAFTS + _EXAMPLES + RECOUNT

BACKWARD = """
DROP TRIGGER dataset_went ON curation_dataset;
DROP TRIGGER example_went ON curation_example;
DROP TRIGGER example_changed ON curation_example;
DROP TRIGGER examples_came ON curation_example;
DROP TRIGGER draft_stays ON curation_draft;
DROP TRIGGER drafts_changed ON curation_draft;
DROP TRIGGER drafts_went ON curation_draft;
DROP TRIGGER drafts_came ON curation_draft;
DROP TRIGGER counts_grew ON curation_draftcount;
DROP FUNCTION curation_dataset_went();
DROP FUNCTION curation_example_went();
DROP FUNCTION curation_example_changed();
DROP FUNCTION curation_examples_came();
DROP FUNCTION curation_drafts_changed();
DROP FUNCTION curation_drafts_went();
DROP FUNCTION curation_drafts_came();
DROP FUNCTION curation_add_up();
"""


class Migration(migrations.Migration):
    dependencies = [("curation", "0015_hash_old_tokens")]
    operations = [
        migrations.AddIndex(
            model_name="example",
            index=models.Index(fields=["dataset", "position", "id"], name="example_order"),
        ),
        migrations.AddIndex(
            model_name="fixstep",
            index=models.Index(fields=["category", "draft"], name="step_of_category"),
        ),
        migrations.AlterField(
            model_name="fixstep",
            name="category",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="steps",
                to="curation.category",
            ),
        ),
        migrations.CreateModel(
            name="DraftCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("difficulty", models.CharField(max_length=10)),
                ("status", models.CharField(blank=True, max_length=10)),
                ("judged", models.CharField(blank=True, max_length=100)),
                ("blind", models.BooleanField()),
                (
                    "repeated",
                    models.BooleanField(help_text="One of several independent repairs of a draft"),
                ),
                ("number", models.BigIntegerField()),
                (
                    "dataset",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="curation.dataset",
                    ),
                ),
            ],
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
