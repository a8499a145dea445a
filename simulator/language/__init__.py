"""The scenario language: the shapes that YAML is read into, how it is read, and what may be wrong with it."""
