"""The addresses of the guest book."""

from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [
    path("", views.home, name="home"),
    path("kernels/<int:pk>/", views.kernel, name="kernel"),
    path("harvests/", views.harvests, name="harvests"),
    path("husk/", views.husk, name="husk"),
    path("word", views.word, name="word"),
    path("guestbook.csv", views.download, name="download"),
    path("static/<path:path>", views.static, name="static"),
]
