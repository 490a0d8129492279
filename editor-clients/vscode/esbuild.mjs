// Builds dist/: extension.js (the host, CommonJS for Node) and view.js with view.css (the panel, for the webview).
//
//   node esbuild.mjs [--production] [--watch] [--metafile]

import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const flags = new Set(process.argv.slice(2));
const production = flags.has("--production");

const MAPS = ["extension.js.map", "view.js.map", "view.css.map"];

const shared = {
  absWorkingDir: here,
  bundle: true,
  minify: production,
  sourcemap: production ? false : "linked",
  legalComments: "none",
  logLevel: "info",
  define: { "process.env.NODE_ENV": JSON.stringify(production ? "production" : "development") },
};

const host = {
  ...shared,
  entryPoints: { extension: "src/extension.ts" },
  outdir: "dist",
  platform: "node",
  format: "cjs",
  target: "node20",
  external: ["vscode"],
  // The ES modules of the language client's parts, so that what is not used falls away.
  mainFields: ["module", "main"],
};

const view = {
  ...shared,
  entryPoints: { view: "src/view/main.tsx" },
  outdir: "dist",
  platform: "browser",
  format: "iife",
  target: "chrome122",
  jsx: "automatic",
  jsxImportSource: "preact",
};

async function main() {
  if (production) await Promise.all(MAPS.map((name) => rm(join(here, "dist", name), { force: true })));
  const builds = existsSync(join(here, "src/view/main.tsx")) ? [host, view] : [host];
  if (flags.has("--watch")) {
    for (const options of builds) await (await esbuild.context(options)).watch();
    return;
  }
  await Promise.all(builds.map((options) => esbuild.build(options)));
}

main().catch(() => process.exit(1));
