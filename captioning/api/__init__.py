"""The API for programs, under `/api/v1/`, and the operation of IBM's MAX; see docs/api.md.

It uses django-ninja, which derives the OpenAPI document from the code that answers.
"""
