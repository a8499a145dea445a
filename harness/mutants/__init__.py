"""The bug zoo: mutants are aggregators with one bug each, healthy variants only look unusual.

A judge that never accuses proves nothing, so each mutant must be killed by a scenario of the pack; a judge
that accuses wrongly is worse, so the healthy variants must pass the whole pack. The families are also a list
of what an aggregator must get right.

Each family is a module: variants of the real aggregator and, at its end, their entries. A new mutant is one
small class or function and one entry; `fanin.harness.mutants.registry` collects the entries.
"""
