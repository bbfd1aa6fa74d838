"""Opening the dashboard in a browser: Streamlit does so for a script, but not for an `App`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from streamlit import config
from streamlit.cli_util import open_browser
from streamlit.web.server.server_util import get_display_address, get_url


@asynccontextmanager
async def shown_in_a_browser(_: Any) -> AsyncIterator[None]:
    """Open a browser window once the server is there, unless it is to be headless."""
    if not config.get_option("server.headless"):
        open_browser(get_url(_address()))
    yield


def _address() -> str:
    """Where a browser finds the server, which may listen on every address."""
    if config.is_manually_set("browser.serverAddress"):
        return str(config.get_option("browser.serverAddress"))
    return get_display_address(config.get_option("server.address") or "localhost")
