"""Which tokens of a question a state is read or replaced at, relative to each role.

A name of several tokens, and words between names, leave four choices. All have the questions' roles
as their positions, so results have the same axes, figures and tables whichever is chosen:

- `last`: the last token of the role. What a causal model knows of a whole name stands there.
- `all`: every token of the role.
- `after`: the tokens between this role and the next one in the sentence, e.g. "'s" in
  "Ann's mother's birthplace is". A role that the next one follows at once has none.
- `through`: both; every token from the role's first up to the next role.

What two questions exchange is counted from the span's last token: names differ in length, and it is
the end of a name that has seen all of it.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
from jaxtyping import Int

from circuits.corpus.queries import Queries
from circuits.corpus.role_names import Span
from circuits.errors import HopscopeError, unknown_name


def role_spans(queries: Queries, span: Span = "last") -> Int[np.ndarray, "n roles 2"]:
    """First token and end (exclusive) of what belongs to each role; an empty span has start = end.

    >>> from circuits import open_run
    >>> role_spans(open_run("assets/demo").queries("id_test")[:1], "all").tolist()
    [[[0, 1], [1, 2], [2, 3]]]

    Raises:
        HopscopeError: if the span is unknown, or no token stands after any role.
    """
    if span not in get_args(Span):
        raise unknown_name("span", str(span), get_args(Span))
    end = queries.role_columns.astype(np.int64) + 1
    start = end - 1 if queries.spans is None else queries.spans[..., 0].astype(np.int64)
    if span == "last":
        return np.stack([end - 1, end], -1)
    if span == "all":
        return np.stack([start, end], -1)
    following = start[:, None] >= end[:, :, None]  # [n, role, other role]
    beyond = np.where(following, start[:, None], np.iinfo(np.int64).max).min(-1)
    until = np.where(following.any(-1), beyond, end)
    if span == "through":
        return np.stack([start, until], -1)
    if (until == end).all() and len(queries):
        raise HopscopeError(
            "no token stands between the roles of these questions; choose span = last, all or "
            "through."
        )
    return np.stack([end, until], -1)
