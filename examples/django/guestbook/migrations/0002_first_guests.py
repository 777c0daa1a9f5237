"""A few guests were here before you, so that the first cob is not bare."""

from django.db import migrations

WORDS = [
    ("Ada", "Planted at the first light of the first day."),
    ("Bartholomew", "Knee-high by the fourth of July, they said. It was."),
    ("Citlali", "Maize remembers every hand that sowed it."),
    ("Dov", "I came for the popcorn and stayed for the silence."),
    ("Eleni", "One row for the mouse, one for the crow, one to rot and one to grow."),
    ("Farid", "Rain at last."),
    ("Greta", "My grandmother ground hers on stone, and sang."),
    ("Hiro", "A worker was here before me and is gone, and the next one greeted me just the same."),
    ("Imani", "Roasted, with lime and chilli. There is no other way."),
    ("Jakub", "Eight hundred silks, and each one leads somewhere."),
    ("Kalinda", "The blue ones taste of slate and honey."),
    ("Lars", "I walked the whole field and met nobody. Recommended."),
    ("Mirembe", "Waiting is a kind of tending."),
    ("Nico", "Do not count the kernels. I did. It took all afternoon."),
    ("Oona", "To whoever comes next: the gate sticks, lift it a little."),
    ("Pilar", "Tortillas at six. Bring nothing."),
    ("Quentin", "The scarecrow waved back."),
    ("Rosa", "For my father, who never left a furrow unfinished."),
    ("Sunil", "Cobs lean towards each other when the wind drops. I saw it."),
    ("Tove", "I planted mine upside down and it grew all the same."),
    ("Umar", "Shade, bread, water. Enough."),
    ("Vesna", "I stood at the gate a long time before I chose a colour."),
    ("Wendell", "Stopped at once, and cleanly. Started again, and here I am."),
    ("Xóchitl", "Every colour was here before yellow."),
    ("Yusuf", "See you at the harvest."),
    ("Zoë", "Still growing."),
]
PALETTE = ("#f6c945", "#fbe9a5", "#f6c945", "#b23a48", "#e07a2f", "#5b3a8c", "#f6c945", "#2f5d8a", "#9dc183")


def plant(apps, schema_editor):
    kernel = apps.get_model("guestbook", "Kernel")
    for number, (name, message) in enumerate(WORDS):
        kernel.objects.create(name=name, message=message, colour=PALETTE[number % len(PALETTE)])


class Migration(migrations.Migration):
    dependencies = [("guestbook", "0001_initial")]
    operations = [migrations.RunPython(plant, migrations.RunPython.noop)]
