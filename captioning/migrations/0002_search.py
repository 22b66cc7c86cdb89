"""The full-text index of `captioning.library.queries`."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

SQLITE = [
    # The index has the words alone, and reads the descriptions in the pictures' table.
    """
    CREATE VIRTUAL TABLE captioning_search USING fts5(
        description, content='captioning_picture', content_rowid='id',
        tokenize='porter unicode61 remove_diacritics 2'
    )
    """,
    """
    CREATE TRIGGER captioning_search_insert AFTER INSERT ON captioning_picture BEGIN
        INSERT INTO captioning_search(rowid, description) VALUES (new.id, new.description);
    END
    """,
    """
    CREATE TRIGGER captioning_search_delete AFTER DELETE ON captioning_picture BEGIN
        INSERT INTO captioning_search(captioning_search, rowid, description)
        VALUES ('delete', old.id, old.description);
    END
    """,
    """
    CREATE TRIGGER captioning_search_update AFTER UPDATE ON captioning_picture BEGIN
        INSERT INTO captioning_search(captioning_search, rowid, description)
        VALUES ('delete', old.id, old.description);
        INSERT INTO captioning_search(rowid, description) VALUES (new.id, new.description);
    END
    """,
    # Pictures of before.
    "INSERT INTO captioning_search(captioning_search) VALUES ('rebuild')",
]
SQLITE_REVERSE = [
    "DROP TRIGGER captioning_search_update",
    "DROP TRIGGER captioning_search_delete",
    "DROP TRIGGER captioning_search_insert",
    "DROP TABLE captioning_search",
]
POSTGRESQL = [
    """
    CREATE INDEX captioning_search ON captioning_picture
    USING gin (to_tsvector('english', description))
    """
]
POSTGRESQL_REVERSE = ["DROP INDEX captioning_search"]


def make_index(_: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    execute(schema_editor, {"sqlite": SQLITE, "postgresql": POSTGRESQL})


def drop_index(_: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    execute(schema_editor, {"sqlite": SQLITE_REVERSE, "postgresql": POSTGRESQL_REVERSE})


def execute(
    schema_editor: BaseDatabaseSchemaEditor, statements: Mapping[str, Sequence[str]]
) -> None:
    for statement in statements[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("captioning", "0001_library")]
    operations = [migrations.RunPython(make_index, drop_index)]
