from django.db import models


class DraftCount(models.Model):
    """By how many the drafts of one sort became more or fewer: what is there is the sum of all.

    Rows without a status count examples that have no draft. The database writes them, with every
    change of a draft or an example. They are added and never changed, so that nobody waits for
    another; every now and then they are added up.
    """

    # No constraint: deleting a dataset counts its drafts down after Django looked what hangs on it.
    dataset = models.ForeignKey(
        "curation.Dataset", on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    difficulty = models.CharField(max_length=10)
    status = models.CharField(max_length=10, blank=True)
    judged = models.CharField(max_length=100, blank=True)
    blind = models.BooleanField()
    repeated = models.BooleanField(help_text="One of several independent repairs of a draft")
    number = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.number:+d} {self.status} of dataset {self.dataset_id}"
