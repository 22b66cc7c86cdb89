"""The model that captions has a class `Caption`; the row that stores one is `StoredCaption`."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("captioning", "0002_search")]
    operations = [migrations.RenameModel("Caption", "StoredCaption")]
