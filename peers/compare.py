"""Runs the PyTorch peers and Tagwerk's benchmark in turn and tabulates the ratio.

    python peers/compare.py --data jets.parquet --threads 2 --rounds 3 --markdown peers.md --json peers.json

One round is `step.py`, then the Rust benchmark: same machine, same threads, same jets, and whatever else loads the
machine meets both. The table holds the median over rounds; the range over rounds stands beside each ratio.
The peers of reading and of physics (`OTHERS`) run once each and their figures are appended. One whose packages live in
another environment is named with its interpreter: `--python efp.py=/path/to/python`.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PEERS = Path(__file__).resolve().parent
DEFAULT_MODELS = "topodnn,efn,pfn,particlenet-lite,particlenet"
DEFAULT_BENCH = "cargo bench --workspace --bench step --"
OTHERS = ["read_data.py", "clustering.py", "trees.py", "substructure.py", "efp.py"]

Figures = dict[str, dict[str, Any]]
"""Model name -> batch, step_ms, score_1024_ms and, from Tagwerk, floor_ms."""


def run_json(command: list[str], folder: Path, cwd: Path | None = None) -> Any:
    """Runs a command that ends in `--json FILE` added here, and returns what it wrote."""
    out = folder / "figures.json"
    out.unlink(missing_ok=True)
    subprocess.run([*command, "--json", str(out)], cwd=cwd, check=True, stdout=subprocess.DEVNULL)
    return json.loads(out.read_text())


def pytorch(a: argparse.Namespace, folder: Path, compiled: bool) -> dict[str, Any]:
    """One run of `step.py`."""
    command = [
        sys.executable, str(PEERS / "step.py"), "--data", a.data, "--threads", str(a.threads),
        "--models", a.models, "--seconds", str(a.seconds),
    ]  # fmt: skip
    if a.masked_bn:
        command.append("--masked-bn")
    if compiled:
        command.append("--compile")
    return run_json(command, folder)


def tagwerk(a: argparse.Namespace, folder: Path) -> Figures:
    """One run of the Rust benchmark: the only place that knows its command line and its JSON."""
    data = str(Path(a.data).resolve())
    command = [*shlex.split(a.bench), "--threads", str(a.threads), "--data", data, "--taggers", a.models]
    figures = run_json(command, folder, cwd=PEERS.parent)["models"]
    return {name: figures[name] for name in a.models.split(",") if name in figures}


def median_of(rounds: list[Figures], name: str, key: str) -> float | None:
    """Median over rounds of one figure, None if any round lacks it."""
    values = [v for figures in rounds if (v := figures.get(name, {}).get(key)) is not None]
    return statistics.median(values) if len(values) == len(rounds) else None


def rows(peer: list[Figures], ours: list[Figures], names: list[str], key: str) -> list[dict[str, Any]]:
    """One row a model for `step_ms` or `score_1024_ms`."""
    table = []
    for name in names:
        torch_ms, our_ms = median_of(peer, name, key), median_of(ours, name, key)
        row: dict[str, Any] = {"model": name, "pytorch_ms": torch_ms, "tagwerk_ms": our_ms, "ratio": None}
        row["batch"] = peer[0][name]["batch"] if key == "step_ms" else 1024
        row["floor_ms"] = median_of(ours, name, "floor_ms") if key == "step_ms" else None
        compiled = peer[0][name].get("compiled", {})
        row["compiled_ms"] = compiled.get(key)
        if torch_ms and our_ms:
            if key == "step_ms" and ours[0][name].get("batch") != row["batch"]:
                raise SystemExit(f"{name}: batch {row['batch']} in PyTorch, {ours[0][name].get('batch')} in Tagwerk")
            ratios = [p[name][key] / o[name][key] for p, o in zip(peer, ours, strict=True)]
            row |= {"ratio": torch_ms / our_ms, "ratio_min": min(ratios), "ratio_max": max(ratios)}
        table.append(row)
    return table


def markdown(title: str, table: list[dict[str, Any]]) -> str:
    """A Markdown table; a ratio above 1 says that Tagwerk is faster."""
    lines = [
        f"## {title}",
        "",
        "| model | batch | PyTorch ms | compiled ms | Tagwerk ms | ratio (range) | floor ms |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in table:
        ratio = "-"
        if row["ratio"] is not None:
            ratio = f"{row['ratio']:.2f} ({row['ratio_min']:.2f}-{row['ratio_max']:.2f})"
        cells = [row["model"], str(row["batch"]), _ms(row["pytorch_ms"]), _ms(row["compiled_ms"])]
        cells += [_ms(row["tagwerk_ms"]), ratio, _ms(row["floor_ms"])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def other_figures(script: str, a: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The JSON of another peer script, or the reason why there is none."""
    command = [dict(a.python).get(script, sys.executable), str(PEERS / script)]
    try:
        if script == "read_data.py":  # prints its figures
            return json.loads(subprocess.run([*command, a.data], check=True, capture_output=True).stdout)
        return run_json([*command, "--threads", str(a.threads), "--data", a.data], folder)
    except (subprocess.CalledProcessError, OSError, json.JSONDecodeError) as error:
        print(f"{script} failed: {error}", file=sys.stderr, flush=True)
        return {"failed": str(error)}


def flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Leaves of nested JSON as (path, text), for scripts whose figures have a shape of their own."""
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in flat(item, f"{prefix}{key}.")]
    if isinstance(value, list):
        return [leaf for i, item in enumerate(value) for leaf in flat(item, f"{prefix}{i}.")]
    return [(prefix.rstrip("."), f"{value:.4g}" if isinstance(value, float) else str(value))]


def interpreter(text: str) -> tuple[str, str]:
    """`SCRIPT=INTERPRETER` as a pair."""
    script, _, python = text.partition("=")
    if script not in OTHERS or not python:
        raise argparse.ArgumentTypeError(f"{text!r}: SCRIPT=INTERPRETER with a script of {', '.join(OTHERS)}")
    return script, python


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if value < 100.0 else f"{value:.0f}"


def _write(path: Path, text: str) -> None:
    """Writes beside and renames, so that no half-written table is left."""
    beside = path.with_name(path.name + ".tmp")
    beside.write_text(text)
    os.replace(beside, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="Parquet file of jets")
    parser.add_argument("--models", default=DEFAULT_MODELS, help="comma-separated")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="time limit of one PyTorch measurement")
    parser.add_argument("--masked-bn", action="store_true", help="PyTorch too on real rows and edges only")
    parser.add_argument("--compile", action="store_true", help="time torch.compile too, in the first round")
    parser.add_argument("--bench", default=DEFAULT_BENCH, help="benchmark command, options are appended")
    parser.add_argument("--skip-others", action="store_true", help=f"none of {', '.join(OTHERS)}")
    parser.add_argument(
        "--python", type=interpreter, action="append", default=[], metavar="SCRIPT=INTERPRETER",
        help="interpreter for one of these scripts; may be given several times",
    )  # fmt: skip
    parser.add_argument("--markdown", type=Path, help="also write the tables here")
    parser.add_argument("--json", type=Path, help="also write all figures here")
    a = parser.parse_args()
    if a.rounds < 1:
        parser.error("--rounds must be at least 1")

    peer: list[Figures] = []
    ours: list[Figures] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i in range(a.rounds):
            result = pytorch(a, folder, compiled=a.compile and i == 0)
            peer.append(result["models"])
            ours.append(tagwerk(a, folder))
            print(f"round {i + 1} of {a.rounds} done", file=sys.stderr, flush=True)
        scripts = [] if a.skip_others else OTHERS
        others = {script: other_figures(script, a, folder) for script in scripts}

    names = a.models.split(",")
    tables = {key: rows(peer, ours, names, key) for key in ("step_ms", "score_1024_ms")}
    form = "without padding" if a.masked_bn else "padded"
    text = f"{result['framework']}, {a.threads} threads, {result['constituents']} constituents {form}, "
    text += f"{a.rounds} rounds in turn.\n\n"
    text += markdown("Training step", tables["step_ms"]) + "\n"
    text += markdown("Scoring 1,024 jets", tables["score_1024_ms"])
    for script, figures in others.items():
        text += f"\n## {script}\n\n| figure | value |\n|---|---:|\n"
        text += "".join(f"| {path} | {value} |\n" for path, value in flat(figures))
    print(text)
    if a.markdown:
        _write(a.markdown, text)
    if a.json:
        _write(a.json, json.dumps({"tables": tables, "pytorch": peer, "tagwerk": ours, "others": others}, indent=1))


if __name__ == "__main__":
    main()
