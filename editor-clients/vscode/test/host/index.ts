// What VS Code loads and runs inside the extension host.
import "./manifest.ts";
import "./provider.ts";
import { runAll } from "./harness.ts";

export const run = runAll;
