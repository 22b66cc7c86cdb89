"""Reads image files and writes files atomically, for the pages and the model; without torch."""
