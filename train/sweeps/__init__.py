"""Sweeps: one recipe over a grid of values and several seeds, on one machine or a cluster.

Every backend trains runs with `cell.train_cells` and leaves their outcomes in the sweep's folder
(`record`), so that the table, the status and the dataset are read from there alone, whoever trained
what. A sweep may be started again: finished runs are kept, and stopped ones are resumed.
Nothing here knows what a step of training is, and a single run knows nothing of sweeps.
"""

from train.sweeps.collect import sweep_dataset
from train.sweeps.plan import parse_axis, plan_sweep
from train.sweeps.record import TABLE
from train.sweeps.run import sweep
from train.sweeps.status import sweep_status

__all__ = ["TABLE", "parse_axis", "plan_sweep", "sweep", "sweep_dataset", "sweep_status"]
