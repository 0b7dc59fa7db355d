"""``headroom models`` and ``headroom datasets``: what can be named."""

from pathlib import Path
from typing import Any

import typer

from headroom.pipeline.commands.options import DEFAULT_CACHE, DEFAULT_DATA, Cache, DataDir, Json
from headroom.pipeline.console import command, write_json


@command
def models(cache: Cache = DEFAULT_CACHE, json: Json = False) -> None:
    """List the backbones, and on which data sets each is extracted."""
    from headroom.features.backbones import BACKBONES
    from headroom.features.weights import keras_models_folder
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
    typer.echo(f"{'model':18} {'pixels':>6} {'dim':>5} {'weights':>8}  {'ImageNet':9} extracted")
    for row in rows:
        here = "here" if row["imagenet_weights"] else "-"
        extracted = ", ".join(row["extracted"])
        numbers = f"{row['size']:6} {row['dim']:5} {row['parameters'] / 1e6:6.1f} M"
        typer.echo(f"{row['model']:18} {numbers}  {here:9} {extracted}".rstrip())


@command
def datasets(data_dir: DataDir = DEFAULT_DATA, cache: Cache = DEFAULT_CACHE, json: Json = False) -> None:
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
    if json:
        write_json({"datasets": rows, "own": own})
        return
    for row in rows:
        typer.echo(f"{row['dataset']}: {row['title']}")
        typer.echo(f"    {row['images']:,} images, {len(row['classes'])} classes; licence: {row['licence']}")
        typer.echo(f"    {_place(row, data_dir)}")
    if own:
        typer.echo(f"yours in the cache: {', '.join(own)}")


def _place(row: dict[str, Any], data_dir: Path) -> str:
    """Say where a data set is, or how to get it."""
    return f"in {row['folder']}" if row["folder"] else f"{row['source']} in {data_dir / row['dataset']}"
