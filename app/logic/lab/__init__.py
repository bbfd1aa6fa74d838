"""What the lab shows: patches of one question, their metrics, tries, and swaps to begin with.

Nothing here draws or knows Streamlit.
"""
