"""Answers on disk, by the digest of their prompt: nothing is asked, or paid for, twice."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from circuits.errors import CannotWrite, HopscopeError


@dataclass
class Answers:
    """A JSON-lines file of {"prompt": digest, "text": answer}; a cut-off last line is ignored.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "answers.jsonl"
    >>> Answers(path).keep("ab12", "{}")
    >>> Answers(path).get("ab12")
    '{}'
    """

    path: Path
    _by_digest: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        try:
            lines = self.path.read_text(encoding="utf-8").split("\n")
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise HopscopeError(
                f"{self.path} cannot be read ({error}); move it away to ask everything anew."
            ) from None
        for line in lines:
            try:
                row = json.loads(line)
                self._by_digest[str(row["prompt"])] = str(row["text"])
            except (ValueError, KeyError, TypeError):
                continue  # cut off by a kill; it is asked again

    def get(self, digest: str) -> str | None:
        """The answer; None if it was not given yet."""
        return self._by_digest.get(digest)

    def keep(self, digest: str, text: str) -> None:
        """Add an answer, on disk before it is used.

        Raises:
            CannotWrite: if the file cannot be written.
        """
        line = json.dumps({"prompt": digest, "text": text}, ensure_ascii=False)
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"\n{line}\n")  # the first break ends a line that was cut off
        except OSError as error:
            raise CannotWrite(self.path, error) from error
        self._by_digest[digest] = text
