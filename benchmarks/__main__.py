"""``make bench``: every benchmark, one after the other."""

from benchmarks import serve, simulation

simulation.main()
print()
serve.main()
