"""Learning from past nights as they were known then: rows, features, the model, the gate."""
