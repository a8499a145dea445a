"""The timeline of one run, a column per region, then aggregator, timer and sink, against the clock."""
