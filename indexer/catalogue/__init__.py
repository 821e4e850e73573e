"""Films and songs: readers for the public layouts, cleaning rules, and the rows they yield."""
