"""The closed vocabularies of the dataset. Stored values never change; labels may."""

from django.db.models import TextChoices


class Difficulty(TextChoices):
    EASY = "easy", "Easy"
    MEDIUM = "medium", "Medium"
    HARD = "hard", "Hard"
    UNKNOWN = "unknown", "Unknown"


class Role(TextChoices):
    """What kind of model wrote the draft (the paper's weak and strong models)."""

    CHEAP = "cheap", "Cheap model"
    COSTLY = "costly", "Costly model"


class PromptKind(TextChoices):
    STANDARD = "standard", "Standard"
    AUGMENTED = "augmented", "Augmented"
    UNKNOWN = "unknown", "Unknown"


class DraftStatus(TextChoices):
    DRAFT = "draft", "Draft"
    REPAIRING = "repairing", "Repairing"
    VERIFIED = "verified", "Verified"
    APPROVED = "approved", "Approved"


class Origin(TextChoices):
    """How a revision came to be."""

    DRAFT = "draft", "Draft"
    STEP = "step", "Fix step"
    FINAL = "final", "Imported final version"


class Located(TextChoices):
    """How a step's Error_Code was found in the revision that it mends."""

    EXACT = "exact", "Exact"
    WHITESPACE = "whitespace", "Up to whitespace"
    FUZZY = "fuzzy", "Similar text"
    AMBIGUOUS = "ambiguous", "Several places"
    ABSENT = "absent", "Not found"
    TARGETS_INPUT = "targets_input", "Targets the input"


class StepKind(TextChoices):
    """What a step mends; FixCost counts behaviour and format apart."""

    BEHAVIOUR = "behaviour", "Behaviour"
    FORMAT = "format", "Format only"
    REFERENCE = "reference", "Bug of the reference"


class ModelRole(TextChoices):
    """What a language model is asked for."""

    CHEAP = "cheap", "Cheap model"
    COSTLY = "costly", "Costly model"
    JUDGE = "judge", "Judge"


class PromptUse(TextChoices):
    """What a prompt asks for, which decides its placeholders."""

    STANDARD = "standard", "Translate"
    AUGMENTED = "augmented", "Translate with the fixed bugs"
    USE_REF = "use_ref", "Judge usefulness with a reference"
    USE_NOREF = "use_noref", "Judge usefulness without a reference"
    FUNC_REF = "func_ref", "Judge functional correctness with a reference"
    FUNC_NOREF = "func_noref", "Judge functional correctness without a reference"
    COMPARISON = "comparison", "Compare two translations"


class BatchState(TextChoices):
    READY = "ready", "Not started"
    RUNNING = "running", "Running"
    STOPPED = "stopped", "Stopped"
    FINISHED = "finished", "Finished"


class CallState(TextChoices):
    WAITING = "waiting", "Waiting"
    ASKING = "asking", "Being asked"
    ANSWERED = "answered", "Answered"
    FAILED = "failed", "Failed"


class MemberRole(TextChoices):
    """What a person may do in a dataset; each role may all that the ones before it may."""

    VIEWER = "viewer", "Viewer"
    ANNOTATOR = "annotator", "Annotator"
    REVIEWER = "reviewer", "Reviewer"
    LEAD = "lead", "Lead"
    ADMIN = "admin", "Admin"

    @property
    def rank(self) -> int:
        return list(MemberRole).index(self)


class WebhookEvent(TextChoices):
    APPROVED = "approved", "A draft was approved"
    RELEASED = "released", "A version of the dataset was released"
    PING = "ping", "A lead tries the address"


class DeliveryState(TextChoices):
    WAITING = "waiting", "Waiting"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Given up"


class PreferenceName(TextChoices):
    """What follows a person to every browser, beside the workbench's layout."""

    THEME = "theme", "Theme"
    KEYS = "keys", "Shortcuts"
