// Runs the tests of the extension host and tells each of them as its own.
import { join } from "node:path";
import { test } from "node:test";

import { runInHost } from "../bed/extension_host.ts";
import { CMT_LSP, EXTENSION } from "../bed/places.ts";
import { Simulator } from "../bed/simulator.ts";

const simulator = await Simulator.start();
const outcomes = await runInHost(join(EXTENSION, "dist", "host-tests.js"), {
  env: { ANTHROPIC_BASE_URL: simulator.url, CMT_TEST_SIMULATOR: simulator.url },
  machine: { "cmt.server.path": CMT_LSP },
  files: { "main.py": "def one():\n    return 1\n" },
}).finally(() => simulator.stop());

for (const { claim, error, milliseconds } of outcomes) {
  test(`${claim} (${milliseconds} ms)`, () => {
    if (error) throw new Error(error);
  });
}
