"""The addresses of the demo."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("", include("guestbook.urls"))]
