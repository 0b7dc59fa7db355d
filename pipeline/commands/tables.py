"""``headroom models`` and ``headroom datasets``: what can be named."""

from pathlib import Path
from typing import Any

from headroom.pipeline.commands.options import command
from headroom.pipeline.console import show, write_json


@command()
def models(cache: Path, json: bool = False) -> None:
    """List the backbones, and on which data sets each is extracted."""
    from rich.console import Console
    from rich.table import Table

    from headroom.features.backbones import BACKBONES
    from headroom.features.network import keras_models_folder
    from headroom.pipeline.cache import read_cache

    stored = read_cache(cache).files
    rows: list[dict[str, Any]] = [
        {
            "model": record.name,
            "size": record.size,
            "dim": record.dim,
            "parameters": record.parameters,
            "imagenet_weights": (keras_models_folder() / record.weights_file).is_file(),
            "extracted": sorted({item.dataset for item in stored if item.model == record.name}),
        }
        for record in BACKBONES.values()
    ]
    if json:
        write_json({"models": rows})
        return
    table = Table(box=None, pad_edge=False)
    for name in ("model", "pixels", "dim", "weights", "ImageNet", "extracted"):
        table.add_column(name, justify="right" if name in ("pixels", "dim", "weights") else "left")
    for row in rows:
        here = "here" if row["imagenet_weights"] else "-"
        numbers = (str(row["size"]), str(row["dim"]), f"{row['parameters'] / 1e6:.1f} M")
        table.add_row(row["model"], *numbers, here, ", ".join(row["extracted"]))
    Console(highlight=False).print(table)


@command()
def datasets(data_dir: Path, cache: Path, json: bool = False) -> None:
    """List the data sets known by name, where they are, and how to get them."""
    from headroom.features.datasets import DATASETS
    from headroom.pipeline.cache import read_cache

    stored = read_cache(cache).files
    rows: list[dict[str, Any]] = [
        {
            "dataset": record.name,
            "title": record.title,
            "images": sum(record.expected.values()),
            "classes": record.expected,
            "ordinal": record.ordinal,
            "licence": record.licence,
            "source": record.source,
            "folder": str(folder) if (folder := data_dir / record.name).is_dir() else None,
            "extracted": sorted({item.model for item in stored if item.dataset == record.name}),
        }
        for record in DATASETS.values()
    ]
    own = sorted({item.dataset for item in stored} - set(DATASETS))
    lines = []
    for row in rows:
        place = f"in {row['folder']}" if row["folder"] else f"{row['source']} in {data_dir / row['dataset']}"
        counts = f"{row['images']:,} images, {len(row['classes'])} classes; licence: {row['licence']}"
        lines += [f"{row['dataset']}: {row['title']}", f"    {counts}", f"    {place}"]
    if own:
        lines.append(f"yours in the cache: {', '.join(own)}")
    show(json, {"datasets": rows, "own": own}, lines)
