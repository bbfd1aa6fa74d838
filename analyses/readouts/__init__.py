"""What can be read from activations and weights without changing them.

Code that overwrites an activation lives in `analyses.interventions`.
"""
