"""Sound: clips made by code with known answers, files decoded within limits, and features estimated from them."""
