"""From noise to an image: schedules, samplers, and chance that can be repeated."""
