"""What a delivery is like, beside those before it."""
