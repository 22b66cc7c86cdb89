"""Where the addresses of static files come from."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """Files named by their content once `collectstatic` has run, by their plain names before.

    The manifest storage alone fails on every page until then, and a fresh clone should need no
    step between installing the requirements and `python manage.py runserver`.
    """

    # Scripts import each other by name; these names are to follow the content as well.
    support_js_module_import_aggregation = True

    def stored_name(self, name: str) -> str:
        """Return the name that a page should link to."""
        if not self.hashed_files:
            return name
        stored: str = super().stored_name(name)
        return stored
