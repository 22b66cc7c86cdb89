"""The Django application for accounts: sign-up, log-in, password reset and API tokens."""
