"""A first configuration from a look at the data."""
