"""The Django application: pages, commands and the engine behind them."""
