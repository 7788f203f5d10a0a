"""What `orthogen evaluate` measures: a result series against its reference, in three tiers."""
