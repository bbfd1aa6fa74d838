"""Exported files: true vectors, exact sizes, same bytes, nothing of others overwritten."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest
import synthetic_results as made
from fontTools.ttLib import TTFont
from hand_wired import hand_wired, save_as_run
from pypdf import PdfReader
from typer.testing import CliRunner

from analyses import analyze
from analyses.figures import export, figure
from app.cli.main import cli
from circuits import open_run
from circuits.errors import HopscopeError
from circuits.model.transformer import HookedTransformer


@pytest.fixture(scope="module")
def spec():
    return figure(made.causal_tracing(), "strength", step=2000, split="id_test")


def test_a_picture_comes_with_its_data_and_its_provenance(spec, tmp_path):
    written = export(spec, tmp_path / "tracing.pdf")
    assert [p.name for p in written] == ["tracing.pdf", "tracing.csv", "tracing.json"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in written)
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "tracing.csv", dtype={"layer": str}), spec.frame()
    )
    record = json.loads((tmp_path / "tracing.json").read_text())
    assert record["provenance"]["result"]["seed"] == 7
    assert record["provenance"]["selection"] == {"step": 2000, "split": "id_test"}


@pytest.mark.parametrize(
    ("width", "points"), [("column", 3.25 * 72), ("page", 6.75 * 72), (5, 360)]
)
def test_a_pdf_is_exactly_as_wide_as_asked(spec, tmp_path, width, points):
    export(spec, tmp_path / "a.pdf", width=width)
    assert float(PdfReader(tmp_path / "a.pdf").pages[0].mediabox.width) == pytest.approx(points)


def test_a_pdf_is_vectors_with_embedded_truetype_fonts(spec, tmp_path):
    export(spec, tmp_path / "a.pdf")
    page = PdfReader(tmp_path / "a.pdf").pages[0]
    assert len(page.images) == 0
    for font in page["/Resources"]["/Font"].values():
        inner = font.get_object()["/DescendantFonts"][0].get_object()
        assert inner["/Subtype"] == "/CIDFontType2"
        assert "/FontFile2" in inner["/FontDescriptor"].get_object()
    assert "Which states" in page.extract_text()


@pytest.mark.parametrize("suffix", ["pdf", "svg", "png", "csv", "html"])
def test_the_same_figure_gives_the_same_bytes(spec, tmp_path, suffix):
    for folder in ("a", "b"):
        export(spec, tmp_path / folder / f"x.{suffix}")
    for name in (f"x.{suffix}", "x.csv", "x.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_exporting_again_replaces_the_earlier_export(spec, tmp_path):
    export(spec, tmp_path / "a.csv")
    other = figure(made.causal_tracing(), "strength", step=0, split="id_test")
    export(other, tmp_path / "a.csv")
    record = json.loads((tmp_path / "a.json").read_text())
    assert record["provenance"]["selection"]["step"] == 0


def test_two_formats_of_a_figure_share_one_record(spec, tmp_path):
    export(spec, tmp_path / "a.svg")
    export(spec, tmp_path / "a.png")
    assert sorted(json.loads((tmp_path / "a.json").read_text())["files"]) == [
        "a.csv",
        "a.png",
        "a.svg",
    ]
    export(spec, tmp_path / "a.svg")  # still known as ours


def test_a_file_of_someone_else_is_left_alone(spec, tmp_path):
    (tmp_path / "a.csv").write_text("my own numbers")
    with pytest.raises(HopscopeError, match="was not written by export"):
        export(spec, tmp_path / "a.svg")
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "my own numbers"


def test_a_foreign_json_beside_the_picture_is_left_alone(spec, tmp_path):
    (tmp_path / "a.json").write_text('{"files": {}}')
    with pytest.raises(HopscopeError, match="was not written by export"):
        export(spec, tmp_path / "a.csv")


def test_an_export_that_was_edited_by_hand_is_left_alone(spec, tmp_path):
    export(spec, tmp_path / "a.svg")
    (tmp_path / "a.svg").write_text("<svg>improved by hand</svg>")
    with pytest.raises(HopscopeError, match="changed since"):
        export(spec, tmp_path / "a.svg")


def test_an_unknown_format_names_the_known_ones(spec, tmp_path):
    with pytest.raises(HopscopeError, match=r"\.pdf, \.svg, \.png, \.html, \.csv"):
        export(spec, tmp_path / "a.eps")


def test_a_folder_that_cannot_be_made_is_an_error_in_words(spec, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HopscopeError, match="cannot be written"):
        export(spec, tmp_path / "file" / "a.csv")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that knows nothing at step 0 and is the hand-wired circuit at step 100."""
    wired = hand_wired()
    folder = tmp_path_factory.mktemp("runs") / "wired"
    models = {0: HookedTransformer(wired.model.cfg), 100: wired.model}
    run = save_as_run(folder, wired.corpus, models)
    for name in ("causal_tracing", "logit_lens"):
        analyze(run, name, n_jobs=1, progress=False)
    return run


def test_the_command_writes_every_figure_of_the_analyses_that_were_run(run, tmp_path):
    result = CliRunner().invoke(
        cli, ["export", str(run.path), "--format", "csv", "--out", str(tmp_path)]
    )
    assert result.exit_code == 0, result.output
    assert {"circuit.csv", "training_accuracy.csv", "causal_tracing_strength.csv"} <= {
        p.name for p in tmp_path.iterdir()
    }
    assert "bridge_patching" in result.output  # not analyzed yet, and said so


def test_the_drawn_circuit_of_the_hand_wired_model_is_the_one_wired_in(run, tmp_path):
    arguments = ["export", str(run.path), "circuit", "--format", "csv", "--out", str(tmp_path)]
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    frame = pd.read_csv(tmp_path / "circuit.csv")
    drawn = frame[(frame["element"] == "edge: read") & (frame["drawn"].astype(str) == "True")]
    # Block 0 reads the subject, block 1 reads relation 1 into the last position; nothing else.
    assert list(zip(drawn["layer"], drawn["position"], strict=True)) == [
        (0.0, "subject"),
        (1.0, "relation_1"),
    ]
    states = frame[frame["element"] == "state"].set_index(["layer", "position"])
    assert states.loc[(1.0, "relation_1"), "readable"] == "bridge"


def test_the_figures_of_one_analysis_can_be_asked_for_by_its_name(run, tmp_path):
    arguments = ["export", str(run.path), "logit_lens", "--format", "csv", "--out", str(tmp_path)]
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    assert {p.stem for p in tmp_path.iterdir()} == {
        "logit_lens_mrr",
        "logit_lens_mrr_added",
        "logit_lens_mrr_over_training",
        "logit_lens_mrr_map_over_training",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such_figure"], "unknown figure"),
        (["bridge_patching"], "has not been run"),
        (["--format", "eps"], "unknown format"),
        (["circuit", "--step", "7"], "the nearest is 0"),
        (["--width", "wide"], "column, page"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_written(run, tmp_path, arguments, message):
    result = CliRunner().invoke(cli, ["export", str(run.path), *arguments, "--out", str(tmp_path)])
    assert isinstance(result.exception, HopscopeError)
    assert message in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_what_was_run_with_other_options_is_exported_with_the_same(tmp_path):
    wired = hand_wired()
    run = save_as_run(tmp_path / "run", wired.corpus, {0: wired.model})
    analyze(run, "logit_lens", splits=["id_test"], n_jobs=1, progress=False, examples=20)
    command = ["export", str(run.path), "logit_lens", "--format", "csv"]
    refused = CliRunner().invoke(cli, command)
    assert "there is: --set examples=20 --splits id_test" in str(refused.exception)
    given = ["--set", "examples=20", "--splits", "id_test"]
    result = CliRunner().invoke(cli, [*command, *given])
    assert result.exit_code == 0, result.output
    written = run.figures_dir / "other-settings" / "logit_lens_mrr.json"
    assert json.loads(written.read_text())["provenance"]["options"]["examples"] == 20
    refused = CliRunner().invoke(cli, [*command, "--set", "examples=21"])
    assert "has not been run like that" in str(refused.exception)
    refused = CliRunner().invoke(cli, ["export", str(run.path), *given])
    assert "apply to the figures of one analysis" in str(refused.exception)


def test_a_figure_of_one_split_is_about_the_split_that_the_page_opens_on():
    spec = figure(made.causal_tracing(), "strength_over_training")
    assert spec.subtitle.startswith("ID test")
    other = figure(made.causal_tracing(), "strength_over_training", split="train_inferred")
    assert other.subtitle.startswith("trained questions")


def test_export_draws_the_split_that_is_asked_for(tmp_path):
    wanted = {"causal_tracing_strength": "OOD test", "logit_lens_mrr": "OOD test"}
    command = ["export", "assets/demo", *wanted, "--out", str(tmp_path), "--format", "csv"]
    done = CliRunner().invoke(cli, [*command, "--split", "ood_test"])
    assert done.exit_code == 0, done.output
    for name, words in wanted.items():
        record = json.loads((tmp_path / f"{name}.json").read_text())
        assert words in record["subtitle"]
        assert record["provenance"]["selection"]["split"] == "ood_test"
    refused = CliRunner().invoke(cli, [*command, "--split", "ood"])
    assert refused.exit_code != 0
    assert "ood_test" in str(refused.exception)


def test_a_split_that_an_analysis_was_not_run_on_is_a_sentence():
    from analyses.figures.run_figures import run_figures

    run = open_run("assets/demo")
    made_of = run_figures(run)["causal_tracing_strength"]
    table = made_of.make(None, "io_test")
    ((sentence,),) = table.rows
    assert "IO test" in sentence
    assert "not among them" in sentence


def test_a_figure_without_a_question_is_a_sentence_and_no_grey_map():
    ds = made.causal_tracing()
    nothing = ds.where(ds["split"] != "ood_test")
    nothing.attrs = ds.attrs
    for name in ("n", "n_valid"):
        if name in ds:
            nothing[name] = ds[name].where(ds["split"] != "ood_test", 0)
    ((sentence,),) = figure(nothing, "strength", split="ood_test").rows
    assert sentence.startswith("No question of OOD test could be measured (n = 0)")
    beside = figure(nothing, "strength")
    assert [panel.name for panel in beside.panels] == ["train_inferred", "id_test"]
    assert beside.subtitle.endswith("not measured: OOD test (n = 0)")


def test_a_pdf_embeds_outlines_and_nothing_for_composing_text(spec, tmp_path):
    export(spec, tmp_path / "a.pdf")
    page = PdfReader(tmp_path / "a.pdf").pages[0]
    for font in page["/Resources"]["/Font"].values():
        inner = font.get_object()["/DescendantFonts"][0].get_object()
        data = inner["/FontDescriptor"].get_object()["/FontFile2"].get_object().get_data()
        tables = set(TTFont(io.BytesIO(data)).keys())
        assert {"glyf", "loca", "hmtx"} <= tables
        assert not {"GPOS", "GSUB", "GDEF", "kern", "fpgm"} & tables
    assert (tmp_path / "a.pdf").stat().st_size < 22_000  # 27 kB with them


def test_a_colour_bar_is_a_few_dozen_cells(spec, tmp_path):
    export(spec, tmp_path / "a.svg", svg_text=True)
    assert (tmp_path / "a.svg").read_text(encoding="utf-8").count("<path") < 130  # 256 were more


def test_text_in_an_svg_is_text_if_asked(tmp_path):
    run = str(Path(__file__).parents[3] / "assets" / "demo")
    command = ["export", run, "circuit", "--format", "svg", "--out", str(tmp_path)]
    assert CliRunner().invoke(cli, command).exit_code == 0
    assert "<text" not in (tmp_path / "circuit.svg").read_text(encoding="utf-8")
    assert CliRunner().invoke(cli, [*command, "--svg-text"]).exit_code == 0
    assert ">The circuit at step" in (tmp_path / "circuit.svg").read_text(encoding="utf-8")
