#!/usr/bin/env bash
# Strings of a JSON Lines file come back as times from datasets and as numbers from pandas.
#
# Versions: datasets 5.2.0, pyarrow 26.0.1, pandas 3.1.1.
#
# Behaviour: `load_dataset("json")` turns a column of strings into timestamps when every one of them looks like
# an ISO date, and drops "Z". One row with another text, and the column stays text: the type hangs on
# the other rows, so two splits of one data set can differ. `Dataset.to_json` then writes milliseconds since 1970,
# for 1969 negative ones. `pandas.read_json(lines=True)` leaves those dates alone and turns strings of digits into
# integers: "007" becomes 7. Each is right where the other is wrong.
#
# Why it surprises: JSON has types, and these values are in quotes; CSV guesses, JSON should not have
# to. Answers to questions ("When was X born?") and entities ("1984", the novel; "007") are just such strings; compared
# with a model's text they never match again, and a vocabulary made of them has other names.
#
# Seen on 2026-11-28: datasets: "1969-07-20" -> datetime, written again as -14256000000; the same value beside "Paris"
# -> string. pandas: "007" -> 7, "1984" -> 1984.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq datasets==5.2.0 pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6
cd "$work"
export HF_HOME="$work/cache" HF_HUB_OFFLINE=1
"$work/venv/bin/python" - <<'PY'
import json
import sys

import pandas as pd
from datasets import disable_progress_bars, load_dataset

disable_progress_bars()


def write(name, *answers):
    with open(name, "w") as file:
        for answer in answers:
            file.write(json.dumps({"answer": answer}) + "\n")
    return name


def with_datasets(name):
    data = load_dataset("json", data_files=name, split="train")
    return data, data.features["answer"].dtype


dates, dates_type = with_datasets(write("dates.jsonl", "1969-07-20", "1971-01-01"))
mixed, mixed_type = with_datasets(write("mixed.jsonl", "1969-07-20", "Paris"))
zulu, zulu_type = with_datasets(write("zulu.jsonl", "1969-07-20T20:17:00Z"))
digits, digits_type = with_datasets(write("digits.jsonl", "007", "1984"))
dates.to_json("again.jsonl")
again = [json.loads(line)["answer"] for line in open("again.jsonl")]
print("datasets, all dates:   ", dates_type, "->", repr(dates[0]["answer"]), "-> to_json", again)
print("datasets, beside Paris:", mixed_type, "->", repr(mixed[0]["answer"]))
print("datasets, with Z:      ", zulu_type, "->", repr(zulu[0]["answer"]))
print("datasets, digits:      ", digits_type, "->", digits["answer"][:])

by_pandas = {name: pd.read_json(name, lines=True)["answer"].tolist()
             for name in ("dates.jsonl", "digits.jsonl")}
print("pandas:", by_pandas)

holds = (
    dates_type == "timestamp[s]"
    and again == [-14256000000, 31536000000]
    and mixed_type == "string"
    and zulu_type == "timestamp[s]" and zulu[0]["answer"].tzinfo is None
    and digits["answer"][:] == ["007", "1984"]
    and by_pandas == {"dates.jsonl": ["1969-07-20", "1971-01-01"], "digits.jsonl": [7, 1984]}
)
sys.exit(0 if holds else "the behaviour has changed")
PY
