"""From checked values to the texts that people read: scripts, pastes, and runbooks.

The only place that imports Jinja.
"""
