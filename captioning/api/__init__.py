"""The API for programs, under `/api/v1/`, and the one of IBM MAX; docs/api.md describes both.

django-ninja, because it derives the OpenAPI document from the code that answers.
"""
