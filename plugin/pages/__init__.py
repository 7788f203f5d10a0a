"""The admin pages: what the node does, and why, for the person who runs it."""
