"""Confidence and tags of pictures; the full-text index of `captioning.library.queries` has tags."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

before = import_module("captioning.migrations.0002_search")

SQLITE = [
    # The index has the words alone, and reads the texts in the pictures' table.
    """
    CREATE VIRTUAL TABLE captioning_search USING fts5(
        description, keywords, content='captioning_picture', content_rowid='id',
        tokenize='porter unicode61 remove_diacritics 2'
    )
    """,
    """
    CREATE TRIGGER captioning_search_insert AFTER INSERT ON captioning_picture BEGIN
        INSERT INTO captioning_search(rowid, description, keywords)
        VALUES (new.id, new.description, new.keywords);
    END
    """,
    """
    CREATE TRIGGER captioning_search_delete AFTER DELETE ON captioning_picture BEGIN
        INSERT INTO captioning_search(captioning_search, rowid, description, keywords)
        VALUES ('delete', old.id, old.description, old.keywords);
    END
    """,
    """
    CREATE TRIGGER captioning_search_update AFTER UPDATE ON captioning_picture BEGIN
        INSERT INTO captioning_search(captioning_search, rowid, description, keywords)
        VALUES ('delete', old.id, old.description, old.keywords);
        INSERT INTO captioning_search(rowid, description, keywords)
        VALUES (new.id, new.description, new.keywords);
    END
    """,
    # Pictures of before.
    "INSERT INTO captioning_search(captioning_search) VALUES ('rebuild')",
]
POSTGRESQL = [
    """
    CREATE INDEX captioning_search ON captioning_picture
    USING gin (to_tsvector('english', description || ' ' || keywords))
    """
]


def make_index(_: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    statements: Mapping[str, list[str]] = {"sqlite": SQLITE, "postgresql": POSTGRESQL}
    before.execute(schema_editor, statements)


class Migration(migrations.Migration):
    dependencies = [("captioning", "0003_stored_caption")]
    operations = [
        # SQLite adds a stored column by making the table anew, which would lose the triggers.
        migrations.RunPython(before.drop_index, before.make_index),
        migrations.AddField("picture", "confidence", models.FloatField(null=True, blank=True)),
        migrations.AddField("picture", "tags", models.TextField(blank=True, default="")),
        migrations.AddField(
            "picture",
            "keywords",
            models.GeneratedField(
                expression=models.Case(
                    models.When(correction="", then="tags"),
                    default=models.Value("", models.TextField()),
                ),
                output_field=models.TextField(),
                db_persist=True,
            ),
        ),
        migrations.RunPython(make_index, before.drop_index),
    ]
