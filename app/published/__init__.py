"""Runs as a static site: the instrument, chosen questions, figures and where everything is from.

Nothing of it needs a server or Python. Data stand in scripts rather than in JSON files, because a
page that was opened from a disk may not fetch files; they are compressed, and unpacked by the
browser. Names of facts reach a page only as escaped text (Jinja2's autoescape) or inside data.
"""
