"""What can be searched: one row for each published document, made from its file and never edited."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models


class SearchEntry(models.Model):
    """A published document in one language, as ``content.search`` finds it. The files stay the truth."""

    kind = models.CharField(max_length=20)
    slug = models.CharField(max_length=255)
    language = models.CharField(max_length=20)
    title = models.CharField(max_length=200)
    url = models.CharField(max_length=400)
    text = models.TextField()  # as people read it, on one line
    digest = models.CharField(max_length=64)  # of everything the row was made from
    vector = SearchVectorField()  # without accents, stemmed for the language

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "slug", "language"], name="one_search_entry_per_document"),
        ]
        indexes = [GinIndex(fields=["vector"], name="search_entry_vector")]

    def __str__(self) -> str:
        return self.url
