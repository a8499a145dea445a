"""What findings look like, among the bugs that are known (docs/bugs.md).

Rules of this package: pure. A hint names a bug only where the run fits it; a wrong hint costs an hour, none
costs nothing.
"""
