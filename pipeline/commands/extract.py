"""``headroom extract``: images to embeddings, once."""

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import headroom
from headroom.errors import FeatureError, UsageError
from headroom.pipeline.commands.options import command
from headroom.pipeline.console import progress, say, show

if TYPE_CHECKING:
    from headroom.features.plan import Outcome

MOST_NAMED = 10


@command(headroom.extract)
def extract(json: bool = False, **options: Any) -> None:
    began = time.perf_counter()
    answer = _embedded(SimpleNamespace(**options))
    rows, images = answer["runs"], answer["runs"][0]["images"]
    last = f"{answer['dataset']}: {images:,} images in {time.perf_counter() - began:.1f} s"
    show(json, answer, [*map(_line, rows), last])
    unreadable = {bad["path"]: bad["reason"] for row in rows for bad in row["bad"]}
    for path in list(unreadable)[:MOST_NAMED]:
        say(f"unreadable: {path}: {unreadable[path]}")
    if len(unreadable) > MOST_NAMED:
        say(f"unreadable: and {len(unreadable) - MOST_NAMED:,} more (all of them with --json)")
    if len(unreadable) > options["max_bad"] * images:
        raise FeatureError(
            got=f"{len(unreadable):,} of {images:,} images could not be read; "
            f"more than --max-bad {options['max_bad']:g}",
            remedy="mend or remove them, or allow more; the embeddings of the others are kept",
        )


def _embedded(asked: SimpleNamespace) -> dict[str, Any]:
    """Embed what is missing; what ``extract --json`` promises."""
    import numpy as np
    from joblib import cpu_count

    from headroom.features.backbones import BACKBONES
    from headroom.features.compute import Computing
    from headroom.features.datasets import DATASETS
    from headroom.features.engines import ENGINES, choose_engine
    from headroom.features.extract import extract as run_extraction
    from headroom.features.network import NetworkOptions, find_networks
    from headroom.features.scan import Columns
    from headroom.pipeline.names import locate, pick

    models: list[str] = []
    for name in asked.model:
        models += [name] if name.endswith(".keras") else pick("model", [name], BACKBONES)
    if len(asked.weights) not in (1, len(models)):
        raise UsageError(
            got=f"{len(models)} models and {len(asked.weights)} times --weights",
            remedy="give --weights once, or once each",
        )
    images = locate(
        asked.dataset,
        asked.data_dir,
        name=asked.name,
        labels=asked.labels,
        columns=Columns(asked.image_column, asked.label_column, asked.group_column),
        pattern=asked.group_pattern,
        ordinal=asked.ordinal,
    )
    for note in images.notes:
        say(f"note: {note}")
    alone = np.flatnonzero(images.groups == "")
    if 0 < len(alone) < len(images):
        said = f"{len(images) - len(alone):,} of {len(images):,} images have a patient"
        say(f"note: {said}; each other one counts as a patient of its own, the first being {images.ids[alone[0]]}")
    chosen = NetworkOptions(asked.weights, asked.size, asked.preprocessing, asked.pooling, asked.seed)
    networks = find_networks(models, chosen)
    otherwise = ENGINES["openvino"] if asked.engine == "auto" else None
    engine, threads = choose_engine(asked.engine), asked.jobs or cpu_count()
    how = Computing(engine, asked.precision, threads, asked.cache / "engines", otherwise)
    known = DATASETS.get(asked.dataset)
    mirrored = asked.mirror if asked.mirror is not None else known is None or known.mirror_safe
    views = range(1, asked.views + 1)
    with progress() as advance:
        outcomes = run_extraction(images, networks, how, asked.cache, views, mirrored, advance, say)
    runs = [_row(outcome, len(images)) for outcome in outcomes]
    return {"dataset": images.name, "runs": runs, "without_patient": len(alone)}


def _row(outcome: "Outcome", images: int) -> dict[str, Any]:
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
