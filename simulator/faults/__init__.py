"""What may go wrong in a scenario: one class for each fault, with all that there is to know about it."""
