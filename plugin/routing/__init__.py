"""Routing rules: data and pure functions. Which series goes to which pipeline, and why or why not."""
