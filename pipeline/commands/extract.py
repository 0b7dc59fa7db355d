"""``headroom extract``: images to embeddings, once."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from headroom.errors import FeatureError, UsageError
from headroom.pipeline.commands.options import (
    DEFAULT_CACHE,
    DEFAULT_DATA,
    Cache,
    DataDir,
    Jobs,
    Json,
    Seed,
    with_options_of,
)
from headroom.pipeline.console import command, progress, say, write_json

if TYPE_CHECKING:
    from headroom.features.plan import Outcome

MOST_NAMED = 10

Engine = Literal["auto", "openvino", "keras"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
Pooling = Literal["avg", "max"]
Pixels = Literal["none", "unit", "caffe", "torch"]


def embed_images(
    model: Annotated[
        list[str],
        typer.Option(help="Backbone (see 'headroom models'), wildcard or .keras file; repeat for several in one pass."),
    ],
    dataset: Annotated[str, typer.Option(help="Name (see 'headroom datasets') or folder.")],
    weights: Annotated[
        list[str], typer.Option(help="imagenet, random, or a Keras weights file; once for all models or once each.")
    ] = ["imagenet"],  # noqa: B006
    labels: Annotated[Path | None, typer.Option(help="CSV file with one image a row.")] = None,
    image_column: Annotated[str | None, typer.Option(help="Column with the image names; default: recognised.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column with the labels; default: recognised.")] = None,
    group_column: Annotated[str | None, typer.Option(help="Column with the patients; default: recognised.")] = None,
    group_pattern: Annotated[
        str | None, typer.Option(help="Regular expression; its first group in a file's path is the patient.")
    ] = None,
    ordinal: Annotated[bool, typer.Option("--ordinal", help="The classes are ordered grades.")] = False,
    name: Annotated[str | None, typer.Option(help="Keep the data set under this name.")] = None,
    size: Annotated[int | None, typer.Option(help="Side of the input in pixels; default: the backbone's own.")] = None,
    pooling: Annotated[Pooling, typer.Option(help="How feature maps become vectors.")] = "avg",
    preprocessing: Annotated[
        Pixels | None, typer.Option(help="For a .keras file of your own that does not rescale inside.")
    ] = None,
    engine: Annotated[Engine, typer.Option(help="auto: Keras on a GPU, OpenVINO on a CPU.")] = "auto",
    precision: Annotated[
        Precision, typer.Option(help="auto: reduced where the hardware has it and vectors stay within 2 %.")
    ] = "auto",
    views: Annotated[int, typer.Option(min=0, max=50, help="Augmented views to embed too, for --balance augment.")] = 0,
    mirror: Annotated[
        bool | None, typer.Option(help="Whether views may be mirrored.", show_default="by data set; else yes")
    ] = None,
    data_dir: DataDir = DEFAULT_DATA,
    cache: Cache = DEFAULT_CACHE,
    jobs: Jobs = 0,
    seed: Seed = 0,
    *,
    progress: Callable[[int, int, str], None],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Embed what is missing; return what ``extract --json`` promises."""
    from joblib import cpu_count

    from headroom.features.backbones import BACKBONES
    from headroom.features.compute import Computing
    from headroom.features.datasets import DATASETS
    from headroom.features.engines import ENGINES, choose_engine
    from headroom.features.extract import extract as run_extraction
    from headroom.features.network import NetworkOptions, find_networks
    from headroom.features.scan import Columns
    from headroom.pipeline.locate import locate
    from headroom.pipeline.names import pick

    models = [
        row for asked in model for row in ([asked] if asked.endswith(".keras") else pick("model", [asked], BACKBONES))
    ]
    if len(weights) > 1 and len(weights) != len(models):
        raise UsageError(
            got=f"{len(models)} models and {len(weights)} times --weights", remedy="give --weights once, or once each"
        )
    columns = Columns(image_column, label_column, group_column)
    images = locate(
        dataset, data_dir, name=name, labels=labels, columns=columns, pattern=group_pattern, ordinal=ordinal
    )
    for note in images.notes:
        say(f"note: {note}")
    networks = find_networks(models, NetworkOptions(weights, size, preprocessing, pooling, seed))
    otherwise = ENGINES["openvino"] if engine == "auto" else None
    how = Computing(choose_engine(engine), precision, jobs or cpu_count(), cache / "engines", otherwise)
    mirrored = mirror if mirror is not None else dataset not in DATASETS or DATASETS[dataset].mirror_safe
    outcomes = run_extraction(images, networks, how, cache, range(1, views + 1), mirrored, progress, say)
    return {"dataset": images.name, "runs": [_answer(outcome, len(images)) for outcome in outcomes]}


def refuse_unreadable(answer: dict[str, Any], max_bad: float) -> None:
    """Raise where too many images could not be read."""
    images, bad = answer["runs"][0]["images"], len(_unreadable(answer))
    if bad > max_bad * images:
        raise FeatureError(
            got=f"{bad:,} of {images:,} images could not be read; more than --max-bad {max_bad:g}",
            remedy="mend or remove them, or allow more; the embeddings of the others are kept",
        )


@command
@with_options_of(embed_images)
def extract(
    max_bad: Annotated[
        float, typer.Option(min=0, max=1, help="Share of unreadable images that is still no error.")
    ] = 0.01,
    json: Json = False,
    **options: Any,
) -> None:
    """Turn images into pooled embeddings of frozen CNNs, once; what is cached is not computed again."""
    began = time.perf_counter()
    with progress() as show:
        answer = embed_images(**options, progress=show, say=say)
    if json:
        write_json(answer)
    else:
        for row in answer["runs"]:
            typer.echo(_line(row))
        images = answer["runs"][0]["images"]
        typer.echo(f"{answer['dataset']}: {images:,} images in {time.perf_counter() - began:.1f} s")
    bad = _unreadable(answer)
    for path in list(bad)[:MOST_NAMED]:
        say(f"unreadable: {path}: {bad[path]}")
    if len(bad) > MOST_NAMED:
        say(f"unreadable: and {len(bad) - MOST_NAMED:,} more (all of them with --json)")
    refuse_unreadable(answer, max_bad)


def _unreadable(answer: dict[str, Any]) -> dict[str, str]:
    """The images that any run could not read, with the reason."""
    return {bad["path"]: bad["reason"] for row in answer["runs"] for bad in row["bad"]}


def _answer(outcome: "Outcome", images: int) -> dict[str, Any]:
    """An outcome in the form that ``--json`` promises."""
    plan, computed, seconds = outcome.plan, outcome.computed, outcome.seconds
    return {
        "model": plan.network.label,
        "view": plan.frame.view,
        "dim": outcome.dim,
        "images": images,
        "computed": computed,
        "reused": images - computed - len(outcome.bad),
        "bad": [{"path": path, "reason": reason} for path, reason in outcome.bad.items()],
        "seconds": round(seconds, 3),
        "images_per_second": round(computed / seconds, 1) if seconds else None,
        "engine": plan.decision.engine,
        "precision": plan.decision.precision,
        "precision_error": plan.decision.error,
        "weights": plan.network.weights.kind,
        "file": str(plan.file),
    }


def _line(row: dict[str, Any]) -> str:
    """Say in one line what became of a run."""
    speed = f" at {row['images_per_second']:,.0f} images/s" if row["images_per_second"] else ""
    random = ", RANDOM weights" if row["weights"] == "random" else ""
    counts = f"{row['computed']:,} computed{speed}, {row['reused']:,} reused, {len(row['bad']):,} unreadable"
    view = f" view {row['view']}" if row["view"] else ""
    return f"{row['model']}{view}: {counts} ({row['dim']}-d, {row['engine']} {row['precision']}{random})"
