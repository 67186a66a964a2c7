"""Load tests: arrivals at a fixed rate, what a target made of them, and two targets compared."""
