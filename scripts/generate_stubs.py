"""Generate the Python stubs from protos/ into shared/stubs/charging/, or check that they are up to date.

Google's own .proto files come from the googleapis-common-protos package and are staged beside ours in build/protos/, where `buf` and
`protoc` find them.
"""

import argparse
import filecmp
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
STAGED = ROOT / "build" / "protos"
STUBS = ROOT / "shared" / "stubs"
DESCRIPTORS = "charging/descriptors.binpb"
GENERATED_PATTERNS = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi", "descriptors.binpb")


def stage_protos() -> None:
    """Copy our protos and Google's into build/protos/."""
    shutil.rmtree(STAGED, ignore_errors=True)
    shutil.copytree(PROTOS, STAGED)
    spec = importlib.util.find_spec("google.api")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("googleapis-common-protos is not installed: run `make setup`")
    google_api = Path(next(iter(spec.submodule_search_locations)))
    target = STAGED / "google" / "api"
    target.mkdir(parents=True)
    for name in ("annotations.proto", "http.proto"):
        shutil.copy(google_api / name, target / name)


def generate(target: Path) -> None:
    """Write stubs, type stubs and a descriptor set with comments below `target`."""
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    bin_dir = Path(sys.executable).parent
    (target / "charging").mkdir(parents=True, exist_ok=True)
    well_known = Path(str(importlib.util.find_spec("grpc_tools").submodule_search_locations[0])) / "_proto"  # type: ignore[union-attr,index]
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"--proto_path={STAGED}",
            f"--proto_path={well_known}",
            f"--plugin=protoc-gen-mypy={bin_dir / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={bin_dir / 'protoc-gen-mypy_grpc'}",
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            f"--mypy_out=quiet:{target}",
            f"--mypy_grpc_out=quiet:{target}",
            f"--descriptor_set_out={target / DESCRIPTORS}",
            "--include_source_info",
            "--include_imports",
            *sources,
        ],
        check=True,
    )
    for folder in [target / "charging", *(target / "charging").rglob("*")]:
        if folder.is_dir() and folder.name != "__pycache__" and not (folder / "__init__.py").exists():
            package = ".".join(folder.relative_to(target).parts)
            (folder / "__init__.py").write_text(f'"""Generated from protos/: the package {package}."""\n')


def generated_files(base: Path) -> set[Path]:
    """Return the generated files below `base`, relative to it."""
    return {path.relative_to(base) for pattern in GENERATED_PATTERNS for path in (base / "charging").rglob(pattern)}


def main() -> int:
    """Run the generator; with --check, compare with what is committed instead."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when the committed stubs differ from the protos")
    parser.add_argument("--stage-only", action="store_true", help="only fill build/protos/, for buf")
    options = parser.parse_args()
    stage_protos()
    if options.stage_only:
        return 0
    if not options.check:
        for stale in generated_files(STUBS):
            (STUBS / stale).unlink()
        generate(STUBS)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        wanted, present = generated_files(fresh), generated_files(STUBS)
        differing = {path for path in wanted & present if not filecmp.cmp(fresh / path, STUBS / path, shallow=False)}
        drift = sorted((wanted ^ present) | differing)
    for path in drift:
        print(f"shared/stubs/{path} is not what protos/ generates: run `make proto`", file=sys.stderr)
    return 1 if drift else 0


if __name__ == "__main__":
    sys.exit(main())
