"""The Django application: pages, the API, commands, and the engine behind them."""
