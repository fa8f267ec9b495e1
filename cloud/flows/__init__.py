"""Journeys of citizens across a machine's peripherals and the departments behind them."""
