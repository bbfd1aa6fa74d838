"""What happens when the server starts: a browser is opened, and the first page's imports begin.

The browser needs a second for Streamlit's own scripts before it asks for a page; the libraries of
the first one are read meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.shell.browser import shown_in_a_browser
from app.shell.importing import load_meanwhile

FIRST_PAGE = ("app.views.formation", "zarr")
"""The page, and what reads its results."""


@asynccontextmanager
async def started(app: Any) -> AsyncIterator[None]:
    """The lifespan of the server."""
    load_meanwhile(*FIRST_PAGE)
    async with shown_in_a_browser(app):
        yield
