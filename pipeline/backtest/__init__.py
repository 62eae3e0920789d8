"""Backtests: past nights forecast again with what was known then, and scored on what happened."""
