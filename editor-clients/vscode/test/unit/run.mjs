// Runs the unit tests: each *.test.ts(x) below this folder is bundled as the extension is, and given to node --test.
//
//   npm test [-- part-of-a-name ...]

import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
// A folder of its own: two runs at once must not take each other's bundles away.
const out = join(root, "dist", `test-${process.pid}`);
const wanted = process.argv.slice(2);

const tests = readdirSync(here, { recursive: true })
  .filter((name) => /\.test\.tsx?$/.test(name))
  // Those below harness/ drive a browser, and run only when they are named: npm run test:panel.
  .filter((name) => (wanted.length === 0 ? !name.startsWith("harness") : wanted.some((part) => name.includes(part))));

process.on("exit", () => rmSync(out, { recursive: true, force: true }));
await esbuild.build({
  absWorkingDir: root,
  entryPoints: tests.map((name) => join(here, name)),
  outdir: out,
  outbase: here,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  sourcemap: "inline",
  jsx: "automatic",
  jsxImportSource: "preact",
  // The pure parts know nothing of VS Code; a test that imports it by mistake fails here.
  external: ["esbuild"],
  logLevel: "warning",
});
const files = readdirSync(out, { recursive: true }).filter((name) => name.endsWith(".test.mjs")).map((name) => join(out, name));
const { status } = spawnSync(process.execPath, ["--enable-source-maps", "--test", "--test-reporter=spec", ...files], { stdio: "inherit", cwd: root });
process.exit(status ?? 1);
