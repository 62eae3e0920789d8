"""The forecast cube: every forecast that was issued, kept for good, and how it turned out.

``forecasts.zarr`` beside ``latest`` is Zarr v3 with CF's attributes, and what xdggs reads:
``xarray.open_zarr("forecasts.zarr")``. Nights stand in the order in which they were first made
(``.sortby("reference_time")``); one that is made again takes its old place, without its scores.
"""
