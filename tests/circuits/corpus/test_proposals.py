"""Facts by a language model: asked in batches, judged one by one, paid for once."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from chat_server import asked_of, chat_server, completion
from typer.testing import CliRunner

from app.cli.main import cli
from circuits.corpus.build import build_corpus
from circuits.corpus.proposals.answers import Answers
from circuits.corpus.proposals.augmented import Plan, augment_with, estimate
from circuits.corpus.proposals.prompts import Prompt
from circuits.corpus.proposals.server import Address, answer_tokens, served
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.sources import load_source
from circuits.recipes.schema import AugmentationSection, parse_recipe

PEOPLE, TOWNS = 30, 6


def town(person: int) -> str:
    return f"town {person % TOWNS}"


def people(open_homes: int = 5) -> list[tuple[str, str, str]]:
    """Everyone has a friend and a workplace; the first few have no home."""
    rows = [(f"person {i}", "friend", f"person {(i * 7 + 1) % PEOPLE}") for i in range(PEOPLE)]
    rows += [(f"person {i}", "works in", town(i + 1)) for i in range(PEOPLE)]
    return rows + [(f"person {i}", "home", town(i)) for i in range(open_homes, PEOPLE)]


@pytest.fixture
def graph() -> KnowledgeGraph:
    held = [(f"person {i}", "home", town(i)) for i in range(4)]
    return KnowledgeGraph.from_triples("people", people(), held_back=held)


@pytest.fixture
def plan(graph: KnowledgeGraph) -> Plan:
    return Plan.make(graph, AugmentationSection(), facts=100, batch=2)


def right(body: dict[str, Any]) -> tuple[int, Any]:
    """The truth about everyone's home."""
    subjects = asked_of(body)["subjects"]
    return 200, completion(json.dumps({s: town(int(s.split()[1])) for s in subjects}))


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_open_slots_of_the_right_type_are_asked_with_a_schema(plan: Plan) -> None:
    assert [prompt.relation for prompt in plan.prompts] == ["home"] * 3
    assert sorted(s for p in plan.prompts for s in p.subjects) == [f"person {i}" for i in range(5)]
    first = plan.prompts[0]
    assert list(first.schema["properties"]) == first.schema["required"] == list(first.subjects)
    assert first.schema["$defs"]["object"]["anyOf"] == [
        {"type": "string", "enum": [town(i) for i in range(TOWNS)]},
        {"type": "null"},
    ]
    assert {known["object"] for known in asked(first)["known"]} <= {town(i) for i in range(TOWNS)}


def asked(prompt: Any) -> dict[str, Any]:
    return asked_of({"messages": prompt.messages})


def test_accepted_facts_say_where_they_come_from_and_whether_the_truth_agrees(
    plan: Plan, tmp_path: Path
) -> None:
    with chat_server(right) as server:
        answer = served(Address("m", server.url))
        out = tmp_path / "out.jsonl"
        outcome = augment_with(plan, "m", answer, Answers(tmp_path / "a.jsonl"), out)
    assert (outcome.accepted, outcome.agreeing, outcome.disagreeing) == (5, 4, 0)
    assert (outcome.rejected, outcome.asked) == ({}, 3)
    assert server.requests[0]["response_format"]["json_schema"]["strict"] is True
    added = [row for row in rows_of(out) if row["provenance"] == "added_llm"]
    assert {row["model"] for row in added} == {"m"}
    assert {row["prompt"] for row in added} == {prompt.digest("m") for prompt in plan.prompts}
    agrees = {row["subject"]: row["agrees"] for row in added}
    assert agrees == {**{f"person {i}": True for i in range(4)}, "person 4": None}
    read = load_source("triples", path=out)
    assert read.count("added_llm") == 5
    assert read.count("real") == len(people())


def test_what_is_rejected_is_counted_by_why(graph: KnowledgeGraph, tmp_path: Path) -> None:
    plan = Plan.make(graph, AugmentationSection(), facts=100, batch=100)
    facts = {
        "person 0": "town 3",  # the source says town 0
        "person 1": "person 2",  # not a place
        "person 2": "Atlantis",
        "person 3": None,
        "person 9": "town 1",  # nobody asked
        " person 4 ": "town 1",  # a name with blanks is another subject than was asked
    }

    def reply(body: dict[str, Any]) -> tuple[int, Any]:
        return 200, completion(json.dumps(facts))

    with chat_server(reply) as server:
        answer = served(Address("m", server.url))
        out = tmp_path / "out.jsonl"
        outcome = augment_with(plan, "m", answer, Answers(tmp_path / "a.jsonl"), out)
    assert (outcome.accepted, outcome.agreeing, outcome.disagreeing) == (1, 0, 1)
    assert outcome.rejected == {
        "left open": 1,
        "not answered": 1,
        "not asked": 2,
        "unknown entity": 1,
        "wrong type": 1,
    }


def test_no_fact_that_was_asked_for_vanishes_without_a_count(
    graph: KnowledgeGraph, tmp_path: Path
) -> None:
    """A model that answers with as little as the schema admits, as one of random weights does."""
    plan = Plan.make(graph, AugmentationSection(), facts=100, batch=100)

    def least(body: dict[str, Any]) -> tuple[int, Any]:
        schema = body["response_format"]["json_schema"]["schema"]
        empty = {"array": [], "object": {}}
        required = schema["required"]
        kinds = [schema["properties"][name].get("type") for name in required]
        made = {name: empty.get(kind) for name, kind in zip(required, kinds, strict=True)}
        return 200, completion(json.dumps(made))

    with chat_server(least) as server:
        answer, kept = served(Address("m", server.url)), Answers(tmp_path / "a.jsonl")
        outcome = augment_with(plan, "m", answer, kept, tmp_path / "out.jsonl")
    assert outcome.accepted + sum(outcome.rejected.values()) == 5


def test_an_object_that_is_no_name_is_malformed_and_one_fact_does_not_spoil_the_others(
    plan: Plan, tmp_path: Path
) -> None:
    def reply(body: dict[str, Any]) -> tuple[int, Any]:
        first, *others = asked_of(body)["subjects"]
        made = {first: 4} | {s: town(int(s.split()[1])) for s in others}
        return 200, completion(json.dumps(made))

    with chat_server(reply) as server:
        answer, kept = served(Address("m", server.url)), Answers(tmp_path / "a.jsonl")
        outcome = augment_with(plan, "m", answer, kept, tmp_path / "out.jsonl")
    assert (outcome.accepted, outcome.rejected) == (2, {"malformed": 3})


def test_an_answer_that_needs_more_tokens_than_were_allowed_gets_them(
    plan: Plan, tmp_path: Path
) -> None:
    """Servers say that they stopped at max_tokens; at temperature 0 the same would be cut again."""

    def cuts(body: dict[str, Any]) -> tuple[int, Any]:
        text = " " * 300 + right(body)[1]["choices"][0]["message"]["content"]
        reply = completion(text[: body["max_tokens"]])
        if len(text) > body["max_tokens"]:
            reply["choices"][0]["finish_reason"] = "length"
        return 200, reply

    with chat_server(cuts) as server:
        answer, kept = served(Address("m", server.url)), Answers(tmp_path / "a.jsonl")
        outcome = augment_with(plan, "m", answer, kept, tmp_path / "out.jsonl")
    assert (outcome.accepted, outcome.rejected) == (5, {})


def test_a_name_of_many_bytes_fits_whatever_the_tokenizer() -> None:
    names = [f"{'東京' * 20} {i}" for i in range(3)]
    prompt = Prompt("home", tuple(names), tuple(names), True, ())
    answer = json.dumps(dict.fromkeys(names, names[0]), ensure_ascii=False)
    assert answer_tokens(prompt) >= len(answer.encode())


def test_a_prompt_that_breaks_the_server_is_passed_over_but_a_broken_server_ends_the_run(
    graph: KnowledgeGraph, tmp_path: Path
) -> None:
    plan, kept = Plan.make(graph, AugmentationSection(), facts=100, batch=1), tmp_path / "a.jsonl"
    broken = {plan.prompts[1].subjects[0]}

    def breaks(body: dict[str, Any]) -> tuple[int, Any]:
        if broken & set(asked_of(body)["subjects"]):
            return 500, {"error": {"message": "the output does not match"}}
        return right(body)

    with chat_server(breaks) as server:
        answer, out = served(Address("m", server.url), retries=0), tmp_path / "out.jsonl"
        outcome = augment_with(plan, "m", answer, Answers(kept), out)
        assert (outcome.accepted, outcome.rejected) == (4, {"server error": 1})
        broken |= {s for prompt in plan.prompts for s in prompt.subjects}
        server.requests.clear()
        with pytest.raises(HopscopeError, match="status 500"):
            augment_with(plan, "m", answer, Answers(tmp_path / "b.jsonl"), out)
        assert len(server.requests) == 3


def test_a_fact_that_closes_a_cycle_is_refused_where_the_recipe_forbids_them(
    tmp_path: Path,
) -> None:
    rows = [(f"p{i}", "mother", f"p{i + 1}") for i in range(9)]
    graph = KnowledgeGraph.from_triples("line", rows)
    (tmp_path / "facts.jsonl").write_text(
        '{"subject": "p9", "relation": "mother", "object": "p3"}\n'
        '{"subject": "p9", "relation": "mother", "object": "p9"}\n'
    )
    from circuits.corpus.proposals.augmented import augment_from_file

    for acyclic, rejected in ((True, {"cycle": 2}), (False, {"contradiction": 1})):
        plan = Plan.make(graph, AugmentationSection(acyclic=acyclic), facts=1)
        outcome = augment_from_file(plan, tmp_path / "facts.jsonl", tmp_path / "out.jsonl")
        assert outcome.rejected == rejected


def test_what_was_answered_is_not_asked_again_and_a_stopped_run_goes_on(
    plan: Plan, tmp_path: Path
) -> None:
    kept, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"

    def fails_at_the_third(body: dict[str, Any]) -> tuple[int, Any]:
        return right(body) if len(server.requests) < 3 else (400, {"error": {"message": "no more"}})

    with chat_server(fails_at_the_third) as server:
        answer = served(Address("m", server.url), retries=0)
        with pytest.raises(HopscopeError, match=r"refused with status 400: .*no more.* goes on"):
            augment_with(plan, "m", answer, Answers(kept), out)
        assert not out.exists()
        kept.write_bytes(kept.read_bytes()[:-20])  # as if killed while writing the second
        server.reply, server.requests = right, []
        left = Answers(kept)
        assert (estimate(plan, "m", left).answered, estimate(plan, "m", left).prompts) == (1, 3)
        outcome = augment_with(plan, "m", answer, left, out)
        assert (len(server.requests), outcome.asked, outcome.accepted) == (2, 2, 5)
        again = augment_with(plan, "m", answer, Answers(kept), out)
    assert (len(server.requests), again.asked, again.accepted) == (2, 0, 5)


def test_a_busy_or_failing_server_is_asked_again(plan: Plan, tmp_path: Path) -> None:
    states = iter([429, 500, 503])

    def sometimes(body: dict[str, Any]) -> tuple[int, Any]:
        status = next(states, 200)
        return right(body) if status == 200 else (status, {"error": {"message": "busy"}})

    with chat_server(sometimes) as server:
        answer = served(Address("m", server.url))
        outcome = augment_with(
            plan, "m", answer, Answers(tmp_path / "a.jsonl"), tmp_path / "out.jsonl"
        )
    assert (outcome.accepted, len(server.requests)) == (5, 6)


def test_what_is_no_answer_is_asked_once_more_and_then_counted(plan: Plan, tmp_path: Path) -> None:
    kept = Answers(tmp_path / "a.jsonl")
    with chat_server(lambda body: (200, completion('{"person'))) as server:
        answer = served(Address("m", server.url))
        outcome = augment_with(plan, "m", answer, kept, tmp_path / "out.jsonl")
    assert (outcome.accepted, outcome.rejected) == (0, {"malformed": 5})
    assert [body["temperature"] for body in server.requests] == [0.0, 0.7] * 3
    assert estimate(plan, "m", kept).answered == 0  # the next start asks again


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ((200, {"error": {"message": "model not loaded", "code": 7}}), "status 200 and an error"),
        ((401, {"error": {"message": "bad key"}}), "refused with status 401"),
        ((200, "<html>a proxy</html>"), "protocol|status 200"),
    ],
)
def test_an_error_is_a_sentence(plan: Plan, reply: tuple[int, Any], said: str) -> None:
    with chat_server(lambda body: reply) as server:
        answer = served(Address("m", server.url), retries=0)
        with pytest.raises(HopscopeError, match=said):
            answer(plan.prompts[0], 0.0)


def test_a_server_that_hangs_or_is_not_there_is_told_in_time(plan: Plan) -> None:
    def hangs(body: dict[str, Any]) -> tuple[int, Any]:
        time.sleep(1.5)
        return right(body)

    begun = time.monotonic()
    with chat_server(hangs) as server:
        answer = served(Address("m", server.url), timeout=0.2, retries=1)
        with pytest.raises(HopscopeError, match=r"did not answer within 0\.2 s, tried 2 times"):
            answer(plan.prompts[0], 0.0)
        gone = server.url
    with pytest.raises(HopscopeError, match="cannot be reached"):
        served(Address("m", gone), retries=0)(plan.prompts[0], 0.0)
    assert time.monotonic() - begun < 10


def test_a_pool_of_added_facts_is_used_as_far_as_phi_asks_and_mixed_with_false_ones(
    tmp_path: Path,
) -> None:
    path = tmp_path / "graph.jsonl"
    rows = [dict(zip(("subject", "relation", "object"), row, strict=True)) for row in people(25)]
    added = [
        {"subject": f"person {i}", "relation": "home", "object": town(i), "provenance": "added_llm"}
        for i in range(25)
    ]
    path.write_text("\n".join(json.dumps(row) for row in [*rows, *added]))
    assert load_source("triples", path=path).count("added_llm") == 25
    pool = load_source("triples", path=path, options={"added": "pool"})
    assert (len(pool), len(pool.held_back)) == (len(rows), 25)
    table = {
        "source": {"name": "triples", "path": str(path), "options": {"added": "pool"}},
        "augmentation": {"phi": 0.935, "modes": ["true_facts"], "correct_share": 0.5},
        "splits": {"ood_share": 0.0, "id_test_items": 5},
    }
    corpus = build_corpus(parse_recipe(table, "test"))
    true, false = corpus.graph.count("added_true"), corpus.graph.count("added_false")
    assert true > 0
    assert abs(true - false) <= 1


def test_the_command_estimates_asks_and_says_what_was_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "facts.tsv").write_text("\n".join("\t".join(row) for row in people()))
    out = tmp_path / "more.jsonl"
    with chat_server(right) as server:
        command = ["augment", str(tmp_path / "facts.tsv"), "--with", f"openai:m@{server.url}"]
        command += ["--out", str(out), "--price", "1,2"]
        told = CliRunner().invoke(cli, [*command, "--dry-run"], catch_exceptions=False).output
        assert "5 facts in 1 prompt: about" in told
        assert "at most $0.00" in told
        assert not server.requests
        told = CliRunner().invoke(cli, command, catch_exceptions=False).output
    assert "accepted: 5 of the facts" in told
    assert load_source("triples", path=out).count("added_llm") == 5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--with", "gpt", "--out", "o.jsonl"], "openai:MODEL@BASE_URL"),
        (["--with", "openai:m", "--out", "o.jsonl"], "OPENAI_API_KEY is not set"),
        (["--with", "file:none.jsonl", "--out", "o.jsonl"], "cannot be read"),
        (["--with", "file:bad.jsonl", "--out", "o.jsonl"], "line 2 is not a fact"),
        (["--with", "openai:m", "--out", "o.tsv"], "must end in .jsonl"),
        (["--with", "openai:m", "--out", "o.jsonl", "--price", "low"], "dollars per million"),
    ],
)
def test_wrong_options_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    Path("facts.tsv").write_text("\n".join("\t".join(row) for row in people()))
    fact = json.dumps({"subject": "person 0", "relation": "home", "object": "town 0"})
    Path("bad.jsonl").write_text(f'{fact}\n{{"subject": "person 0"}}\n')
    with pytest.raises(HopscopeError, match=said):
        CliRunner().invoke(cli, ["augment", "facts.tsv", *options], catch_exceptions=False)
    assert not Path("o.jsonl").exists()
