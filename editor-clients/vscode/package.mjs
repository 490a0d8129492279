// Makes dist/cmt-lsp.vsix: the bundles, the server's wheel, and a limit on the size of all.

import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildWheel } from "./wheel.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const LIMIT = 1_000_000;
const vsix = join("dist", "cmt-lsp.vsix");

function node(script, ...args) {
  execFileSync(process.execPath, [script, ...args], { cwd: here, stdio: "inherit" });
}

node("esbuild.mjs", "--production");
buildWheel();
node(join("node_modules", "@vscode", "vsce", "vsce"), "package", "--no-dependencies", "--allow-missing-repository", "--out", vsix);

const { size } = statSync(join(here, vsix));
console.log(`${vsix}: ${size} bytes of at most ${LIMIT}`);
if (size > LIMIT) process.exit(1);
