"""What can be read from activations and weights without changing them.

Whatever overwrites an activation lives in `analyses.interventions`.
"""
