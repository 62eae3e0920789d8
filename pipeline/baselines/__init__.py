"""What a model has to beat: plain forecasts behind the interface that the model has."""
