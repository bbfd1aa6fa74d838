"""Runs with results of earlier versions: every command does what they allow, and says the rest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import Result
from hand_wired import hand_wired, save_as_run
from typer.testing import CliRunner

from analyses import analyze, figure, fitting, stored_result
from analyses.figures.papers.build import papers
from analyses.figures.renderers.matplotlib import renderer
from analyses.figures.run_figures import run_figures
from analyses.stored import Request
from app.cli.main import cli
from app.published import figures as published
from app.published.content import named_runs
from app.shell.exporting import _files
from circuits.errors import HopscopeError
from circuits.runs.run import Run, open_run

WIRED = hand_wired()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lens without the variable that came later, and weights of another version."""
    models = {0: WIRED.model, 50: WIRED.model}
    run = save_as_run(tmp_path_factory.mktemp("old") / "run", WIRED.corpus, models)
    for name in ("logit_lens", "weights"):
        analyze(run, name, progress=False, n_jobs=1)
    lens = Request.make(run, "logit_lens").store
    found = lens.load()
    lens.marker.unlink()
    shutil.rmtree(lens.path)
    lens.append(found.drop_vars([v for v in found.variables if str(v).startswith("mrr_added")]))
    make_stale(run, "weights")
    return run.path


@pytest.fixture
def old(source: Path, tmp_path: Path) -> Run:
    shutil.copytree(source, tmp_path / "run")
    return open_run(tmp_path / "run")


def make_stale(run: Run, name: str) -> None:
    marker = run.results_dir / f"{name}.json"
    table = json.loads(marker.read_text())
    table["settings"]["version"] = 0
    marker.write_text(json.dumps(table))


def command(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def test_figures_that_old_results_cannot_give_are_named_and_all_others_written(old: Run) -> None:
    done = command("export", old.path, "--format", "csv")
    assert done.exit_code == 0, done.exception
    written = {path.stem for path in old.figures_dir.glob("*.csv")}
    assert {"training_accuracy", "logit_lens_mrr", "first_usable_order"} <= written
    assert "logit_lens_mrr_added" not in written
    assert not any(name.startswith("weights") for name in written)
    weights, lens = sorted(s for s in done.stderr.splitlines() if s.startswith("left out"))[::-1]
    assert "left out logit_lens_mrr_added: the figure 'mrr_added' needs mrr_added" in lens
    assert f"`hopscope analyze {old.path} logit_lens --again`" in lens
    assert weights.startswith("left out weights_weight_norms, weights_effective_ranks, weights_")
    assert f"`hopscope analyze {old.path} weights --again`" in weights
    assert "not analyzed yet" in done.stderr
    assert "weights" not in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("wanted", "analysis"),
    [("mrr_added", "logit_lens"), ("logit_lens_mrr_added", "logit_lens"), ("weights", "weights")],
)
def test_a_figure_asked_for_by_name_is_refused_with_the_remedy(
    old: Run, wanted: str, analysis: str
) -> None:
    done = command("export", old.path, wanted, "--format", "csv")
    assert isinstance(done.exception, HopscopeError)
    assert f"`hopscope analyze {old.path} {analysis} --again`" in str(done.exception)


def test_an_analysis_asked_for_by_name_gives_the_figures_that_it_can(old: Run) -> None:
    done = command("export", old.path, "logit_lens", "--format", "csv")
    assert done.exit_code == 0
    assert len(list(old.figures_dir.glob("*.csv"))) == 3
    assert "left out logit_lens_mrr_added" in done.stderr


def test_the_list_of_figures_says_which_results_cannot_be_used(old: Run) -> None:
    done = command("export", old.path, "--list")
    assert "logit_lens_mrr\n" in done.stdout
    assert done.stderr.count("--again`") == 1


def test_the_library_says_what_an_old_result_lacks(old: Run) -> None:
    with pytest.raises(HopscopeError, match="lacks, since an earlier version of Hopscope made it"):
        figure(stored_result(old, "logit_lens"), "mrr_added")


def test_an_old_result_does_not_keep_the_other_analyses_from_running(
    old: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "usual_analyses", lambda *_, **__: ["weights", "logit_lens"])
    asked = command("analyze", old.path, "weights")
    assert isinstance(asked.exception, HopscopeError)
    done = command("analyze", old.path)
    assert done.exit_code == 0, done.exception
    assert done.stdout.startswith("logit_lens: 2 checkpoints")
    assert "left out weights: " in done.stderr
    assert f"`hopscope analyze {old.path} weights --again`" in done.stderr


def test_a_page_exports_what_old_results_allow(old: Run) -> None:
    wanted = [f for f in run_figures(old).values() if f.analysis in ("logit_lens", "weights")]
    files, left_out = _files(wanted, 50, "id_test", "csv", "column")
    assert {Path(name).stem for name in files} == {
        f"logit_lens_{name}" for name in ("mrr", "mrr_over_training", "mrr_map_over_training")
    }
    begun = [sentence.split("_")[0] for sentence in left_out]
    assert begun == ["left out logit", "left out weights"]


def test_a_site_shows_what_old_results_allow_and_is_refused_without_any(
    old: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renderer, "to_files", lambda *_, **__: {"svg": b"", "pdf": b""})
    assert list(named_runs([old])) == ["run"]
    names = ["logit_lens_mrr_added", "weights_weight_norms", "training_loss"]
    drawn, left_out = published._drawn(old.path, names)
    assert [figure.name for figure in drawn] == ["training_loss"]
    assert len(left_out.sentences) == 2
    make_stale(old, "logit_lens")
    with pytest.raises(HopscopeError, match=r"no results to publish; .* logit_lens --again`"):
        named_runs([old])


def test_both_papers_are_drawn_without_an_old_result_and_say_how_to_renew_it(old: Run) -> None:
    make_stale(old, "logit_lens")
    made = papers([old])
    assert made.missing["Grokked figures 4 and 9"] == (
        f"hopscope analyze {old.path} causal_tracing logit_lens --again"
    )


def test_a_sweep_of_an_earlier_version_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "sweep.csv").write_text("seed,run\n0,seed=0\n")
    done = command("sweep", "--status", tmp_path)
    assert "as sweeps of earlier versions of Hopscope" in str(done.exception)
    assert f"`hopscope runs {tmp_path}`" in str(done.exception)


def test_a_run_folder_in_the_place_of_facts_is_called_one(old: Run) -> None:
    done = command("data", old.path)
    assert "is a run folder" in str(done.exception)
    assert f"hopscope data {old.path}/recipe.toml" in str(done.exception)
