"""What pages show, computed without Streamlit, and therefore testable as plain functions.

Nothing here may import Streamlit or `app.shell`.
"""
