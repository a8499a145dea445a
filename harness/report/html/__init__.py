"""A run as a page: one self-contained HTML file, without scripts, that works from ``file://``.

Rules of this package: whatever text comes from a run is cleaned and escaped where it enters markup
(`markup.tag`, and the template environment), never before and never by its caller; nothing is fetched; the
same run gives the same bytes.
"""
