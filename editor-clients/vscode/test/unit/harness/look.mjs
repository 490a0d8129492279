// Bundles look.ts and runs it.
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import esbuild from "esbuild";

const root = join(fileURLToPath(new URL(".", import.meta.url)), "..", "..", "..");
process.chdir(root);
const outfile = join(root, "dist", "look.mjs");
await esbuild.build({ entryPoints: ["test/unit/harness/look.ts"], bundle: true, platform: "node", format: "esm", outfile, external: ["esbuild"], logLevel: "warning" });
await import(pathToFileURL(outfile).href);
