"""Reports of runs: text for a terminal, pages, and files for programs and CI systems."""
