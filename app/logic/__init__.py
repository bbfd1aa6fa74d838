"""What pages show, computed without Streamlit and so testable as plain functions.

Nothing here may import Streamlit or `app.shell`.
"""
