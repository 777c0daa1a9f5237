"""The pages."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Iterator
from datetime import timedelta

import django
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe
from django.views.static import serve

from .cob import CELLS, FULL
from .forms import KernelForm
from .models import Harvest, Kernel


@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """The cob that is growing, the latest words, and the form."""
    form = KernelForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        kernel = form.save()
        messages.success(request, f"Thank you, {kernel.name}: your kernel is planted.")
        return redirect("home")
    growing = list(Kernel.objects.filter(harvest=None)[:FULL])
    context = {
        "form": form,
        "cob": list(zip(CELLS, growing, strict=False)),
        "empty": CELLS[len(growing) :],
        "planted": len(growing),
        "full": FULL,
        "latest": Kernel.objects.order_by("-pk")[:8],
        "harvests": Harvest.objects.count(),
    }
    return render(request, "guestbook/home.html", context, status=200 if not form.errors else 422)


@require_safe
def kernel(request: HttpRequest, pk: int) -> HttpResponse:
    """One kernel."""
    return render(request, "guestbook/kernel.html", {"kernel": get_object_or_404(Kernel, pk=pk)})


@require_safe
def harvests(request: HttpRequest) -> HttpResponse:
    """The cobs harvested so far, each drawn small."""
    latest = Harvest.objects.prefetch_related("kernels")[:12]
    drawn = [(harvest, list(zip(CELLS, harvest.kernels.all(), strict=False))) for harvest in latest]
    return render(request, "guestbook/harvests.html", {"harvests": drawn, "full": FULL})


@require_safe
def husk(request: HttpRequest) -> HttpResponse:
    """What is under the husk: which process answered, and what it was told about the request."""
    environ = request.META
    week = Kernel.objects.filter(planted_at__gte=timezone.now() - timedelta(days=7)).count()
    facts = [
        ("Served by", environ.get("SERVER_SOFTWARE", "unknown")),
        ("Process", os.getpid()),
        ("Its parent", os.getppid()),
        ("Other processes serve too", "yes" if environ.get("wsgi.multiprocess") else "no"),
        ("Other threads serve too", "yes" if environ.get("wsgi.multithread") else "no"),
        ("Protocol", environ.get("SERVER_PROTOCOL", "")),
        ("Your address", environ.get("REMOTE_ADDR", "")),
        ("Files sent by the server", "yes" if "wsgi.file_wrapper" in environ else "no"),
        ("Python", sys.version.split()[0]),
        ("Django", django.get_version()),
        ("Kernels planted this week", week),
    ]
    return render(request, "guestbook/husk.html", {"facts": facts})


@require_safe
def word(request: HttpRequest) -> HttpResponse:
    """A guest's word, for those who come by curl."""
    kernel = Kernel.objects.order_by("?").first()
    said = f"{kernel.message} ({kernel.name})" if kernel else "Nobody has been here yet."
    return HttpResponse(f"{said}\n", content_type="text/plain; charset=utf-8")


def _rows() -> Iterator[str]:
    """The guest book as CSV, one line at a time."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["planted_at", "name", "message", "colour"])
    for planted in Kernel.objects.order_by("pk").iterator(chunk_size=200):
        writer.writerow([planted.planted_at.isoformat(), planted.name, planted.message, planted.colour])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


@require_safe
def download(request: HttpRequest) -> HttpResponseBase:
    """The whole guest book, streamed."""
    headers = {"Content-Disposition": 'attachment; filename="guestbook.csv"'}
    return StreamingHttpResponse(_rows(), content_type="text/csv; charset=utf-8", headers=headers)


@require_safe
def static(request: HttpRequest, path: str) -> HttpResponseBase:
    """Static files.

    Django's view answers with a FileResponse, which a WSGI server with `wsgi.file_wrapper` sends by itself;
    so the demo needs neither nginx nor a further package.
    """
    response = serve(request, path, document_root=settings.STATIC_ROOT)
    response["Cache-Control"] = "max-age=300"
    return response
