"""Work that runs beside the dashboard: training jobs and measuring.

Processes are started and watched here; pages only ask.
"""
