"""The guest book by Django's own test client: `manage.py test`."""

from __future__ import annotations

import re

from django.conf import settings
from django.test import Client, TestCase

from demo.jobs import harvest

from .cob import CELLS, FULL, HEIGHT, WIDTH
from .models import Harvest, Kernel


class Pages(TestCase):
    """What a visitor does."""

    def test_every_page_answers(self) -> None:
        for path in (
            "/",
            "/kernels/1/",
            "/harvests/",
            "/husk/",
            "/word",
            "/guestbook.csv",
            "/static/cob.css",
        ):
            self.assertEqual(self.client.get(path).status_code, 200, path)

    def test_a_guest_plants_a_kernel(self) -> None:
        form = {"name": "Mo <b>", "message": "Hello", "colour": "#b23a48"}
        response = self.client.post("/", form, follow=True)
        self.assertContains(response, "Thank you, Mo &lt;b&gt;: your kernel is planted.")
        self.assertEqual(Kernel.objects.latest("pk").message, "Hello")

    def test_a_form_without_a_name_is_refused_and_keeps_what_was_written(self) -> None:
        response = self.client.post("/", {"name": "", "message": "Hello", "colour": "#b23a48"})
        self.assertContains(response, "This field is required.", status_code=422)
        self.assertContains(response, "Hello", status_code=422)

    def test_a_form_without_its_token_is_refused(self) -> None:
        client = Client(enforce_csrf_checks=True)
        form = {"name": "Mo", "message": "Hello", "colour": "#b23a48"}
        self.assertEqual(client.post("/", form).status_code, 403)
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get("/").content.decode())
        assert found
        self.assertEqual(client.post("/", {**form, "csrfmiddlewaretoken": found[1]}).status_code, 302)

    def test_the_book_is_streamed_as_csv(self) -> None:
        response = self.client.get("/guestbook.csv")
        lines = b"".join(response.streaming_content).splitlines()
        self.assertEqual(len(lines), Kernel.objects.count() + 1)

    def test_static_files_stay_in_their_directory(self) -> None:
        for path in ("/static/../models.py", "/static/%2e%2e/models.py", "/static//etc/passwd"):
            self.assertIn(self.client.get(path).status_code, (400, 404), path)

    def test_a_static_file_that_the_client_has_is_not_sent_again(self) -> None:
        stamp = self.client.get("/static/cob.css")["Last-Modified"]
        self.assertEqual(self.client.get("/static/cob.css", HTTP_IF_MODIFIED_SINCE=stamp).status_code, 304)


class Job(TestCase):
    """What the clock will do."""

    def test_a_full_cob_is_harvested_once(self) -> None:
        self.assertEqual(harvest(), "no cob is full yet")
        planted = Kernel.objects.count()
        Kernel.objects.bulk_create([Kernel(name="n", message="m") for _ in range(FULL + 3 - planted)])
        self.assertEqual(harvest(), "full cobs harvested: 1")
        self.assertEqual(harvest(), "no cob is full yet")
        self.assertEqual(Harvest.objects.get().kernels.count(), FULL)
        self.assertEqual(Kernel.objects.filter(harvest=None).count(), 3)
        self.assertContains(self.client.get("/"), f"3 of {FULL} kernels, after 1 harvest")


class Drawing(TestCase):
    """What the cob looks like."""

    def test_every_kernel_lies_on_the_cob(self) -> None:
        for cell in CELLS:
            self.assertTrue(cell.x - cell.rx >= 0 and cell.x + cell.rx <= WIDTH, cell)
            self.assertTrue(cell.y - cell.ry >= 0 and cell.y + cell.ry <= HEIGHT, cell)


class Key(TestCase):
    """What must stay secret."""

    def test_the_secret_key_is_for_its_owner_only(self) -> None:
        self.assertEqual((settings.DATA_DIR / "secret_key").stat().st_mode & 0o777, 0o600)
