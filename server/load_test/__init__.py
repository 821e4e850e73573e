"""The load test: a seeded mix of real requests, every reply checked, verdict by stated limits."""
