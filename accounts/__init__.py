"""The Django application for accounts: signing up, logging in and out, a forgotten password."""
