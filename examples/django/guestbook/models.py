"""Kernels, each planted by a guest, and the cobs harvested when they were full."""

from __future__ import annotations

from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone

from .cob import FULL

COLOURS = [
    ("#f6c945", "golden"),
    ("#fbe9a5", "pearl"),
    ("#e07a2f", "ember"),
    ("#b23a48", "ruby"),
    ("#5b3a8c", "violet"),
    ("#2f5d8a", "blue hopi"),
    ("#4a3b33", "black aztec"),
    ("#9dc183", "jade"),
]


class Harvest(models.Model):
    """A full cob, taken off the stalk."""

    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"harvest of {self.at:%Y-%m-%d %H:%M}"


class Kernel(models.Model):
    """What a guest left behind."""

    name = models.CharField("your name", max_length=40)
    message = models.CharField("a word for those who come after you", max_length=280)
    colour = models.CharField(max_length=7, choices=COLOURS, default=COLOURS[0][0])
    planted_at = models.DateTimeField(default=timezone.now)
    harvest = models.ForeignKey(
        Harvest, null=True, blank=True, on_delete=models.PROTECT, related_name="kernels"
    )

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"

    def get_absolute_url(self) -> str:
        return reverse("kernel", args=[self.pk])


def harvest_full_cobs() -> int:
    """Turns every full cob into a Harvest; returns how many there were."""
    cobs = 0
    with transaction.atomic():
        while True:
            planted = list(Kernel.objects.filter(harvest=None).values_list("pk", flat=True)[:FULL])
            if len(planted) < FULL:
                return cobs
            Kernel.objects.filter(pk__in=planted).update(harvest=Harvest.objects.create())
            cobs += 1
