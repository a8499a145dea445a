"""Pure: a scenario and the history of its run in, a verdict out. Nothing here knows how the run was made."""
