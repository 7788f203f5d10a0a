"""How much a slice looks like one with motion, or with metal's streaks."""
