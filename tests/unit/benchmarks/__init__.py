"""The parts of the benchmark that compute."""
