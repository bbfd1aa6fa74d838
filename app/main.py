"""The dashboard: `streamlit run app/main.py [-- RUNS_FOLDER]` or `hopscope app [RUNS_FOLDER]`.

This is the server; what it shows is in `dashboard.py` beside it.
"""

from starlette.middleware import Middleware
from streamlit.starlette import App

from app.shell.front_end import FrontEnd
from app.shell.starting import started

app = App("dashboard.py", lifespan=started, middleware=[Middleware(FrontEnd)])
