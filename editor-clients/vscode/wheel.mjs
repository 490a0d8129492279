// Builds the server's wheel into build/server/, to travel inside the extension: its version is always the one that fits.
//
// Needs a Python with pip; with hatchling installed beside it no network is needed. The wheel's files are stored and
// not compressed: the package around it compresses them together, to three quarters of what they are one by one.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const repository = join(here, "..", "..");

const REPACK = `
import pathlib, sys, zipfile
source = next(pathlib.Path(sys.argv[1]).glob("*.whl"))
target = pathlib.Path(sys.argv[2]) / source.name
with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
    for entry in sorted(old.infolist(), key=lambda e: ("dist-info" in e.filename, e.filename)):
        info = zipfile.ZipInfo(entry.filename, (1980, 1, 1, 0, 0, 0))
        info.external_attr = entry.external_attr
        new.writestr(info, old.read(entry))
print(target)
`;

/** Where the wheel now stands. */
export function buildWheel() {
  const python = findPython();
  const fresh = mkdtempSync(join(tmpdir(), "cmt-wheel-"));
  const target = join(here, "build", "server");
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  try {
    const alone = has(python, "hatchling") ? ["--no-build-isolation"] : [];
    const quiet = ["--quiet", "--disable-pip-version-check", "--no-deps"];
    execFileSync(python, ["-m", "pip", "wheel", ...quiet, ...alone, "--wheel-dir", fresh, repository], { stdio: "inherit" });
    return execFileSync(python, ["-c", REPACK, fresh, target], { encoding: "utf8" }).trim();
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function findPython() {
  const named = [process.env.CMT_TEST_PYTHON, join(repository, ".venv", "bin", "python")];
  return named.find((file) => file && existsSync(file)) ?? "python3";
}

function has(python, module) {
  try {
    execFileSync(python, ["-c", `import ${module}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) console.log(buildWheel());
