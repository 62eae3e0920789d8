"""Deliveries to bronze and silver."""
