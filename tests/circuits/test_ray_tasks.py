"""What a worker refuses; tests/train/test_ray_sweeps.py has a real cluster."""

import pytest

import circuits
from circuits.errors import HopscopeError
from circuits.ray_tasks import _called


def test_a_worker_with_another_version_refuses_before_it_starts() -> None:
    assert _called(len, [1, 2], circuits.__version__) == 2
    with pytest.raises(HopscopeError, match=r"a worker has Hopscope .* and this machine 9\.9\.9"):
        _called(len, [1, 2], "9.9.9")
