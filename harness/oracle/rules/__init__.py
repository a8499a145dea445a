"""The contract's clauses as functions over one run's evidence. One family of rules per file."""
