"""The instrument: one client-side component that draws a run at any step without the server.

Python sends one payload per page; from then on the timeline, the circuit, the curves and the maps
follow the cursor in the browser (vanilla JavaScript and SVG, nothing loaded from elsewhere), and
Python hears of a step only when the movement has settled. `js` holds ES modules, one per panel;
`scripts` joins them, `component` shows them, and everything else makes the payload.

Only `component` imports Streamlit, so that page logic can import the rest without it.
"""
