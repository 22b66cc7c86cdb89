"""The library: pictures that their owners keep, with captions and corrections.

`services` does what the application offers, `queries` asks the database, `owners` decides which
pictures a request may reach. `captioning.models` has the tables.
"""
