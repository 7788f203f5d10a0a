"""The command `orthogen`. Exit status: 0 done, 1 it failed, 2 wrong usage or configuration, 3 held or
refused.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the commands import what they need, so that a broken installation can still say so
    from pipelines.catalog import Catalog
    from plugin.settings import Settings

DONE, FAILED, USAGE, HELD_OR_REFUSED = 0, 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses and runs; every error is one line on standard error."""
    parsed = parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except ImportError as error:
        say(f"the virtual environment is broken ({error}); run `make setup`")
        return USAGE
    except KeyboardInterrupt:
        return FAILED
    except Exception as error:  # noqa: BLE001 - the command ends here; what is not ours is raised again
        return failed(error)


def failed(error: Exception) -> int:
    from pipelines.errors import ConfigurationError, OrthogenError, PipelineBroken, Refused

    if not isinstance(error, OrthogenError):
        raise error
    say(str(error))
    if isinstance(error, Refused):
        return HELD_OR_REFUSED
    return USAGE if isinstance(error, ConfigurationError | PipelineBroken) else FAILED


def take_run_arguments(run: argparse.ArgumentParser) -> None:
    run.add_argument("--pipeline", required=True, metavar="NAME")
    run.add_argument("--input", type=Path, required=True, metavar="DIR")
    run.add_argument("--output", type=Path, required=True, metavar="DIR")
    run.add_argument("--seed", type=int, metavar="N", help="by default the pipeline's own")
    run.add_argument("--companions", default="", metavar="NAME,...", help="difference, quality-report, ...")
    run.add_argument("--enhanced", action="store_true", help="of Enhanced sources: one Enhanced instance")
    run.add_argument("--key", type=Path, metavar="FILE", help="sign the provenance with this key")
    run.add_argument("--config", type=Path, metavar="FILE", help="take settings from this configuration")


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="orthogen", description="The generative-imaging node for Orthanc.")
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="a node in the foreground")
    up.add_argument("--config", type=Path, default=Path("orthanc.json"), metavar="FILE")
    up.add_argument("--storage", type=Path, metavar="DIR")
    up.add_argument("--http-port", type=int, metavar="N")
    up.add_argument("--dicom-port", type=int, metavar="N")
    up.set_defaults(run=run_up)

    worker = commands.add_parser("worker", help="more workers for a node, here or on another machine")
    worker.add_argument("--config", type=Path, required=True, metavar="FILE")
    worker.set_defaults(run=run_worker)

    check = commands.add_parser("check", help="validate a configuration")
    check.add_argument("file", type=Path, metavar="FILE")
    check.set_defaults(run=run_check)

    add_run(commands)
    add_evaluate(commands)
    add_pipelines(commands)
    add_asking(commands)

    demo = commands.add_parser("demo", help="the main job on the bundled studies; see `make demo`")
    demo.add_argument("--output", type=Path, default=Path("build/demo"), metavar="DIR")
    demo.set_defaults(run=run_demo)
    return root


Commands = Any
"""What `add_subparsers` gives; argparse keeps its type to itself."""


def add_run(commands: Commands) -> None:
    run = commands.add_parser("run", help="one pipeline on a folder of DICOM files, without Orthanc")
    take_run_arguments(run)
    run.set_defaults(run=run_run)


def add_evaluate(commands: Commands) -> None:
    from plugin.evaluate.arguments import take_arguments

    evaluate = commands.add_parser("evaluate", help="measure a pipeline against reference series")
    take_arguments(evaluate)
    evaluate.set_defaults(run=run_evaluate)


def add_pipelines(commands: Commands) -> None:
    pipelines = commands.add_parser("pipelines", help="the pipelines at hand")
    pipelines.add_argument("--json", action="store_true")
    pipelines.add_argument(
        "--config", type=Path, metavar="FILE", help="take settings from this configuration"
    )
    pipelines.set_defaults(run=run_pipelines)
    actions = pipelines.add_subparsers(metavar="add")
    add = actions.add_parser("add", help="check a pipeline folder, try it, and register it")
    add.add_argument("folder", type=Path, metavar="FOLDER")
    add.add_argument("--to", type=Path, metavar="DIR", help="by default the first of PipelineFolders")
    add.set_defaults(run=run_add)
    monai = actions.add_parser("import-monai", help="make a pipeline folder of a MONAI bundle's ONNX export")
    monai.add_argument("bundle", type=Path, metavar="BUNDLE")
    monai.add_argument(
        "--options", type=Path, required=True, metavar="FILE", help="what a bundle does not say"
    )
    monai.add_argument("--to", type=Path, required=True, metavar="DIR")
    monai.set_defaults(run=run_import_monai)


def add_asking(commands: Commands) -> None:
    """Commands about what has been made, or has happened."""
    verify = commands.add_parser("verify", help="are results what their signed provenance says?")
    verify.add_argument("folder", type=Path, metavar="DIR")
    verify.add_argument("--trust", action="append", default=[], metavar="THUMBPRINT")
    verify.set_defaults(run=run_verify)

    explain = commands.add_parser("explain", help="why a study was, or was not, processed")
    explain.add_argument("study", metavar="STUDY_INSTANCE_UID")
    explain.add_argument("--json", action="store_true")
    at_node(explain)
    explain.set_defaults(run=run_explain)

    replay = commands.add_parser("replay", help="a changed rule set on past traffic; runs nothing")
    replay.add_argument("--rules", type=Path, required=True, metavar="FILE")
    replay.add_argument("--since", metavar="TIME", help="ISO 8601; everything when left out")
    replay.add_argument("--json", action="store_true")
    at_node(replay)
    replay.set_defaults(run=run_replay)


def run_verify(parsed: argparse.Namespace) -> int:
    from dicom_templates.verify import verify_folder

    report = verify_folder(parsed.folder, parsed.trust)
    for problem in report.problems:
        say(problem)
    signers = ", ".join(sorted(set(report.signers))) or "nobody"
    tell(f"{report.instances} instances as in {report.manifests} manifests, signed by {signers}")
    return DONE if report.passed else FAILED


def at_node(command: argparse.ArgumentParser) -> None:
    """Commands that ask a running node."""
    command.add_argument("--url", default="http://127.0.0.1:8042", help="Orthanc's address")
    command.add_argument("--user", metavar="NAME:PASSWORD", help="as Orthanc wants it")


def run_explain(parsed: argparse.Namespace) -> int:
    from plugin.asking import NodeApi, explanation

    found = NodeApi(parsed.url, parsed.user).get(f"/explain?study={parsed.study}")
    tell(json.dumps(found, indent=2) if parsed.json else explanation(found))
    return DONE


def run_replay(parsed: argparse.Namespace) -> int:
    from plugin.asking import NodeApi, rules_in

    wanted = {"rules": rules_in(parsed.rules), "since": parsed.since}
    found = NodeApi(parsed.url, parsed.user).post("/rules/replay", wanted)
    tell(json.dumps(found, indent=2) if parsed.json else found["table"])
    return DONE


def run_up(parsed: argparse.Namespace) -> int:
    from plugin.launch import Wishes, up

    return up(Wishes(parsed.config, parsed.storage, parsed.http_port, parsed.dicom_port))


def run_worker(parsed: argparse.Namespace) -> int:
    from plugin.more_workers import run_workers

    return run_workers(parsed.config)


def run_check(parsed: argparse.Namespace) -> int:
    from plugin.preflight import all_problems
    from plugin.settings import read_configuration

    problems = all_problems(read_configuration(parsed.file))
    for problem in problems:
        tell(f"{parsed.file}: {problem}")
    return USAGE if any(problem.severity == "error" for problem in problems) else DONE


def run_run(parsed: argparse.Namespace) -> int:
    from dataclasses import replace
    from typing import get_args

    from pipelines.errors import ConfigurationError
    from pipelines.pipeline import open_pipeline
    from plugin.folder_run import FolderRun, run_folder
    from plugin.routing.rule import Companion

    if not parsed.input.is_dir():
        say(f"{parsed.input} is no folder; name the folder that holds the series")
        return USAGE
    settings, catalog = settings_and_catalog(parsed.config)
    pipeline = open_pipeline(catalog[parsed.pipeline], settings.execution)
    companions = tuple(filter(None, parsed.companions.split(",")))
    unknown = set(companions) - set(get_args(Companion))
    if unknown:
        raise ConfigurationError(
            f"there is no companion {min(unknown)!r}", remedy="one of " + ", ".join(get_args(Companion))
        )
    seed = pipeline.entry.manifest.seed if parsed.seed is None else parsed.seed
    wanted = FolderRun(parsed.input, parsed.output, seed, companions)
    wanted = replace(wanted, form="enhanced" if parsed.enhanced else "classic")
    wanted = replace(wanted, key=parsed.key) if parsed.key else wanted
    report = run_folder(wanted, pipeline, settings, say)
    if report.verdict == "HOLD":
        say("held: " + "; ".join(reason for entry in report.series for reason in entry.get("reasons", [])))
    tell(json.dumps(report.as_json()))
    return DONE if report.verdict in ("PASS", "WARN") else HELD_OR_REFUSED


def run_evaluate(parsed: argparse.Namespace) -> int:
    from plugin.evaluate.command import run

    settings, catalog = settings_and_catalog(parsed.config)
    measured = run(parsed, settings, catalog, say)
    tell(json.dumps(measured.evaluation.headline))
    return DONE


def run_pipelines(parsed: argparse.Namespace) -> int:
    from plugin.inventory import inventory, table

    _, catalog = settings_and_catalog(parsed.config)
    found = [inventory(entry) for entry in catalog]
    tell(json.dumps(found, indent=2) if parsed.json else table(found))
    return DONE


def run_add(parsed: argparse.Namespace) -> int:
    from plugin.add_pipeline import add_pipeline
    from plugin.settings import pipeline_folders

    settings, _ = settings_and_catalog(parsed.config)
    target = parsed.to or pipeline_folders(settings)[0]
    found = add_pipeline(parsed.folder, target, settings.execution, tell)
    for finding in found.findings:
        say(finding)
    return HELD_OR_REFUSED if found.findings else DONE


def run_import_monai(parsed: argparse.Namespace) -> int:
    from pipelines.monai_bundle import import_monai_bundle
    from pipelines.monai_options import read_bundle_options

    made = import_monai_bundle(parsed.bundle, parsed.to, options=read_bundle_options(parsed.options))
    tell(f"made {made}; check and register it with: orthogen pipelines add {made}")
    return DONE


def run_demo(parsed: argparse.Namespace) -> int:
    from plugin.demo.show import show

    return show(parsed.output, tell)


def settings_and_catalog(configuration: Path | None) -> tuple[Settings, Catalog]:
    """The settings of a configuration (or their defaults), and the pipelines they name."""
    from pipelines.catalog import Catalog
    from plugin.settings import SECTION, Settings, pipeline_folders, read_configuration, read_settings

    section = read_configuration(configuration).get(SECTION, {}) if configuration else {}
    settings = read_settings(section) if section else Settings()
    return settings, Catalog.load(pipeline_folders(settings))


def say(text: str, prefix: str = "orthogen: ") -> None:
    sys.stderr.write(f"{prefix}{text}\n")


def tell(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
