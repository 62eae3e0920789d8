"""Where incidents come from: files, and services whose answers are landed as files."""
