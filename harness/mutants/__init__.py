"""The bug zoo: aggregators that are each wrong in one way, and healthy ones that only look unusual.

A judge that never accuses proves nothing, so every bug here must be caught by a scenario of the pack; and one
that accuses too easily is worse, so the healthy variants must pass all of it. Whoever builds an aggregator
may read a family of bugs as a list of what to get right.

Each family is a file: variations of the real aggregator, and at its end their entries. A bug costs one small
class or function and one entry; `fanin.harness.mutants.registry` finds it there.
"""
