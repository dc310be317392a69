"""Keys and certificates: which ones a cluster needs, making them, judging those that are there. No clock and no files."""
