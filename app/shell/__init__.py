"""The surroundings of every page: frame, address, open runs, choosers, export.

Uses Streamlit; what a page shows is in `app.views`, what it computes in `app.logic`.
"""
