"""Which device is meant by auto, cpu or cuda."""

from __future__ import annotations

from circuits.errors import HopscopeError, unknown_name

DEVICES = ("auto", "cpu", "cuda")


def chosen_device(name: str, asked_by: str) -> str:
    """ "cuda" or "cpu".

    Args:
        name: auto (a GPU where PyTorch sees one), cpu or cuda.
        asked_by: Where the name was given, for the message.

    Raises:
        HopscopeError: if the name is another one, or cuda where there is none.

    >>> chosen_device("cpu", "--device")
    'cpu'
    """
    from torch import cuda  # the library takes a second to import

    if name not in DEVICES:
        raise unknown_name("device", name, DEVICES)
    there = cuda.is_available()
    if name == "cuda" and not there:
        raise HopscopeError(
            f'{asked_by} is "cuda", but PyTorch sees no CUDA device here; use "auto" or "cpu".'
        )
    return "cuda" if there and name != "cpu" else "cpu"
