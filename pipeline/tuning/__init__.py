"""The search for boosting parameters with Optuna, on past nights, over the Dask cluster."""
