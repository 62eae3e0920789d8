"""What a night may know besides incidents: the calendar ahead, and tables that a city brings."""
