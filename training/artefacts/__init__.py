"""The small network behind the gate's figures of motion and of metal's streaks."""
