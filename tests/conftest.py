"""Settings of all tests.

One thread per process: the suite runs a process per core, and matrix products of a few rows gain
nothing from a second thread, while threads that wait for each other on a busy core cost tenfold.
Sub-processes that tests start inherit it.
"""

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
