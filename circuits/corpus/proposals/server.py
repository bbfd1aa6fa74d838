"""A server that speaks the OpenAI protocol, through the `openai` client.

The client repeats what may pass (429, 5xx, lost connections, time-outs) with growing pauses. Seen
with openai 3.57: its own time-out is 600 s and is repeated twice, so a server that hangs would take
half an hour to tell; ours is `TIMEOUT_S`. An error body with status 200 comes back as a completion
without choices. The server of llama.cpp answers 500, however often it is asked, if the model's text
ends within a letter or is not what it parses.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from circuits.corpus.proposals.prompts import Prompt
from circuits.errors import HopscopeError

TIMEOUT_S = 60.0
RETRIES = 4
KEY = "OPENAI_API_KEY"
SPARE_TOKENS = 64
ROOM_IF_CUT_OFF = 4
"""So many times the tokens are allowed when an answer was cut off."""

Answer = Callable[[Prompt, float], str]
"""The model's text for a prompt, at a temperature."""


class ServerFailed(HopscopeError):
    """The server answered this prompt with an error of its own (5xx), again and again."""


@dataclass(frozen=True)
class Address:
    """A model and where it is served."""

    model: str
    base_url: str | None
    """None: OpenAI's own."""

    @classmethod
    def read(cls, text: str) -> Address:
        """Read "openai:MODEL@BASE_URL" or "openai:MODEL".

        >>> Address.read("openai:qwen@http://localhost:8000/v1")
        Address(model='qwen', base_url='http://localhost:8000/v1')

        Raises:
            HopscopeError: if it is of another form.
        """
        kind, _, rest = text.partition(":")
        model, at, url = rest.rpartition("@http")
        if not at:
            model, url = rest, ""
        if kind != "openai" or not model:
            raise HopscopeError(
                f"--with {text!r} is not understood; give openai:MODEL@BASE_URL, e.g. "
                "openai:qwen3@http://localhost:8000/v1, or file:FACTS.jsonl."
            )
        return cls(model, f"http{url}" if url else None)


def served(address: Address, timeout: float = TIMEOUT_S, retries: int = RETRIES) -> Answer:
    """Ask this server; the key comes from OPENAI_API_KEY.

    Raises:
        HopscopeError: without the client, or without a key for OpenAI's own server; what it
            returns raises one if the server cannot be reached, refuses, or answers with an error.
    """
    try:
        import openai
    except ImportError as error:
        raise HopscopeError(
            "asking a language model needs the openai client, which is not installed; "
            "`pip install 'hopscope[augment]'`, or give --with file:FACTS.jsonl."
        ) from error
    key = os.environ.get(KEY, "")
    if not key and address.base_url is None:
        raise HopscopeError(
            f"{KEY} is not set, and OpenAI's server needs a key; set it, or name another server "
            "as openai:MODEL@BASE_URL."
        )
    client = openai.OpenAI(
        api_key=key or "none", base_url=address.base_url, timeout=timeout, max_retries=retries
    )
    where = address.base_url or "OpenAI's server"

    def answer(prompt: Prompt, temperature: float) -> str:
        asked, room = _asked(address.model, prompt, temperature), answer_tokens(prompt)
        try:
            reply = client.chat.completions.create(**asked, max_tokens=room)
            if reply.choices and reply.choices[0].finish_reason == "length":
                reply = client.chat.completions.create(**asked, max_tokens=room * ROOM_IF_CUT_OFF)
        except openai.APITimeoutError:
            raise HopscopeError(
                f"{where} did not answer within {timeout:g} s, tried {retries + 1} times; what was "
                "answered before is kept, so the same command goes on."
            ) from None
        except openai.APIConnectionError as error:
            raise HopscopeError(
                f"{where} cannot be reached ({error.__cause__ or error}); is the server running, "
                "and is this its address?"
            ) from None
        except openai.APIStatusError as error:
            kind = HopscopeError if error.status_code < 500 else ServerFailed
            raise kind(
                f"{where} refused with status {error.status_code}: {_short(error.message)}; what "
                "was answered before is kept, so the same command goes on."
            ) from None
        except (openai.APIError, ValueError) as error:
            raise HopscopeError(
                f"{where} did not answer in its protocol: {_short(error)}"
            ) from None
        return _text(reply, where)

    return answer


def _asked(model: str, prompt: Prompt, temperature: float) -> dict[str, Any]:
    schema = {"name": "facts", "schema": prompt.schema, "strict": True}
    return {
        "model": model,
        "messages": prompt.messages,
        "response_format": {"type": "json_schema", "json_schema": schema},
        "temperature": temperature,
    }


def answer_tokens(prompt: Prompt) -> int:
    """Enough for a fact per subject: one for each byte, and some to spare."""
    return SPARE_TOKENS + prompt.longest_answer


def _text(reply: Any, where: str) -> str:
    choices = getattr(reply, "choices", None)
    if not choices:
        told = getattr(reply, "error", None) or getattr(reply, "model_extra", None) or reply
        raise HopscopeError(f"{where} answered with status 200 and an error: {_short(told)}")
    return choices[0].message.content or ""


def _short(told: object) -> str:
    words = " ".join(str(told).split())
    return words if len(words) <= 200 else f"{words[:200]} ..."
