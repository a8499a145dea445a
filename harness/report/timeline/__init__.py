"""The timeline of one run as text: a lane per region, then the aggregator, its timer and the sink."""
