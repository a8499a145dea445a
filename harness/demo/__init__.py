"""The live demo: a page on loopback behind which the real simulator plays and the real judge judges."""
