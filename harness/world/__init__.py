"""One scenario in one world: what sends, what fails, what listens, and the clock they all share."""
