"""How static files get their URLs."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """Serves files under hashed names once `collectstatic` has run, and under plain names before.

    On its own, the manifest storage fails on every page until `collectstatic` has run. A fresh
    clone should need no step between installing the requirements and `runserver`.
    """

    # Scripts import each other by name, so the names in their imports must be hashed too.
    support_js_module_import_aggregation = True

    def stored_name(self, name: str) -> str:
        """Return the name to link to: hashed if there is a manifest, else the plain one."""
        if not self.hashed_files:
            return name
        stored: str = super().stored_name(name)
        return stored
