"""Filters for the pages of the library."""

from __future__ import annotations

from django import template

from captioning import search

register = template.Library()

register.filter("highlight", search.highlight)
