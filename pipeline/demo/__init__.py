"""The simulated city: its truth, its incidents, its feeds with their dirt, its night."""
