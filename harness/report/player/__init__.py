"""The player: one page that plays a recording, whether it is served, saved, or part of a report.

Its scripts are ES modules that are put together without a build step: `bundle` strips what joins them. A page
contains them, the style and the recording, and asks for nothing.
"""
