"""The statements that count a dataset, in their order. All take %(dataset)s by name."""

# The newest verdict about each program text of the dataset.
_JUDGED = """
CREATE TEMP TABLE t2j_judged ON COMMIT DROP AS
SELECT DISTINCT ON (run.example_id, run.code_hash)
    run.example_id, run.code_hash, verdict.outcome, verdict.stage, verdict.kind, verdict.reason,
    to_char(verdict.created_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month,
    (run.contract_hash <> coalesce(now.contract_hash, run.contract_hash)
        OR run.runtime_hash <> coalesce(present.runtime_hash, run.runtime_hash)) AS stale
FROM curation_example example
JOIN executor_run run ON run.example_id = example.id
JOIN executor_verdict verdict ON verdict.run_id = run.id
LEFT JOIN unnest(%(examples)s::bigint[], %(contracts)s::text[]) AS now(id, contract_hash)
    ON now.id = example.id
LEFT JOIN unnest(%(runtimes)s::text[], %(packages)s::text[]) AS present(name, runtime_hash)
    ON present.name = run.runtime
WHERE example.dataset_id = %(dataset)s
ORDER BY run.example_id, run.code_hash, run.id DESC
"""

# Every revision of every draft that is counted, with that verdict. Further repairs of a draft
# repeat its steps and are no drafts of their own.
_SEEN = """
CREATE TEMP TABLE t2j_seen ON COMMIT DROP AS
SELECT draft.id AS draft_id, revision.id AS revision_id, revision.number,
    judged.outcome, judged.stage, judged.kind, judged.reason, judged.month, judged.stale
FROM curation_example example
JOIN curation_draft draft ON draft.example_id = example.id AND draft.original_id IS NULL
JOIN curation_revision revision ON revision.draft_id = draft.id
LEFT JOIN t2j_judged judged
    ON judged.example_id = example.id AND judged.code_hash = revision.sha256
WHERE example.dataset_id = %(dataset)s
"""

PARTS = (_JUDGED, "ANALYZE t2j_judged", _SEEN, "ANALYZE t2j_seen")

_FACTS = """
INSERT INTO scoring_draftfact (
    draft_id, dataset_id, difficulty, model, status, outcome, stage, kind, reason, freshness,
    judged_in, executed, steps, behaviour_steps, passed_after
)
SELECT draft.id, example.dataset_id, example.difficulty, draft.model, draft.status,
    coalesce(head.outcome, 'none'), coalesce(head.stage, ''), coalesce(head.kind, ''),
    coalesce(head.reason, ''),
    CASE WHEN head.outcome IS NULL THEN 'none' WHEN head.stale THEN 'stale' ELSE 'current' END,
    coalesce(head.month, ''), coalesce(way.executed, false),
    coalesce(step.number, 0), coalesce(step.behaviour, 0), way.passed_after
FROM curation_example example
JOIN curation_draft draft ON draft.example_id = example.id AND draft.original_id IS NULL
LEFT JOIN (
    SELECT DISTINCT ON (draft_id) * FROM t2j_seen ORDER BY draft_id, number DESC
) head ON head.draft_id = draft.id
LEFT JOIN (
    SELECT draft_id, bool_or(outcome IS NOT NULL) AS executed,
        min(number) FILTER (WHERE outcome = 'pass') AS passed_after
    FROM t2j_seen GROUP BY draft_id
) way ON way.draft_id = draft.id
LEFT JOIN (
    SELECT step.draft_id, count(*) AS number,
        count(*) FILTER (WHERE step.kind = 'behaviour') AS behaviour
    FROM curation_example example
    JOIN curation_draft draft ON draft.example_id = example.id
    JOIN curation_fixstep step ON step.draft_id = draft.id
    WHERE example.dataset_id = %(dataset)s
    GROUP BY step.draft_id
) step ON step.draft_id = draft.id
WHERE example.dataset_id = %(dataset)s
"""

DATASET = (
    "DELETE FROM scoring_draftfact WHERE dataset_id = %(dataset)s",
    "DELETE FROM scoring_tally WHERE dataset_id = %(dataset)s",
    _FACTS,
)

# Keys are texts; what has none is the empty text.
_OF_DRAFTS = """
INSERT INTO scoring_tally (dataset_id, measure, difficulty, model, keys, number, seconds)
SELECT dataset_id, '{measure}', difficulty, model, ARRAY[{keys}]::text[], count(*), 0
FROM scoring_draftfact WHERE dataset_id = %(dataset)s {only}
GROUP BY dataset_id, difficulty, model, {keys}
"""


def _of_drafts(measure: str, *keys: str, only: str = "") -> str:
    texts = ", ".join(f"coalesce({key}::text, '')" for key in keys)
    return _OF_DRAFTS.format(measure=measure, keys=texts, only=only)


_OF_STEPS = """
INSERT INTO scoring_tally (dataset_id, measure, difficulty, model, keys, number, seconds)
SELECT fact.dataset_id, '{measure}', fact.difficulty, fact.model, ARRAY[{keys}]::text[],
    count(*), sum(step.seconds)
FROM scoring_draftfact fact
JOIN curation_fixstep step ON step.draft_id = fact.draft_id
LEFT JOIN curation_category category ON category.id = step.category_id
LEFT JOIN curation_subcategory sub ON sub.id = step.subcategory_id
{join}
WHERE fact.dataset_id = %(dataset)s
GROUP BY fact.dataset_id, fact.difficulty, fact.model, {keys}
"""
_CREATED = "step.created_at AT TIME ZONE 'UTC'"
_MONTH = f"to_char({_CREATED}, 'YYYY-MM')"
_WEEK = f"to_char(date_trunc('week', {_CREATED}), 'YYYY-MM-DD')"
_BEFORE = "LEFT JOIN t2j_seen seen ON seen.revision_id = step.before_id"
# What was wrong with the program that a step mends, as far as it was executed.
_MET = "CASE WHEN seen.outcome = 'fail' THEN seen.kind ELSE coalesce(seen.outcome, 'none') END"


def _of_steps(measure: str, *keys: str, join: str = "") -> str:
    texts = ", ".join(f"coalesce({key}::text, '')" for key in keys)
    return _OF_STEPS.format(measure=measure, keys=texts, join=join)


# Who approved what is approved, in which week.
_APPROVALS = """
INSERT INTO scoring_tally (dataset_id, measure, difficulty, model, keys, number, seconds)
SELECT fact.dataset_id, 'approval', fact.difficulty, fact.model,
    ARRAY[
        to_char(date_trunc('week', newest.at AT TIME ZONE 'UTC'), 'YYYY-MM-DD'),
        coalesce(newest.actor_id::text, '')
    ],
    count(*), 0
FROM scoring_draftfact fact
JOIN LATERAL (
    SELECT event.at, event.actor_id FROM curation_auditevent event
    WHERE event.draft_pk = fact.draft_id AND event.action = 'draft.approved'
    ORDER BY event.id DESC LIMIT 1
) newest ON true
WHERE fact.dataset_id = %(dataset)s AND fact.status = 'approved'
GROUP BY 1, 2, 3, 4, 5
"""

TALLIES = (
    _of_drafts("draft", "status", "outcome", "stage", "kind", "reason", "executed"),
    _of_drafts("cost", "steps", "behaviour_steps", only="AND (steps > 0 OR status <> 'draft')"),
    # Without a verdict nothing is known of a draft's way.
    _of_drafts("way", "passed_after", "steps", only="AND executed"),
    _of_drafts("fresh", "freshness", "judged_in"),
    _of_steps("step", "category.slug", "sub.slug", "step.kind", _MONTH),
    _of_steps("met", "category.slug", _MET, join=_BEFORE),
    _of_steps("work", _WEEK, "step.author_id"),
    _APPROVALS,
)
