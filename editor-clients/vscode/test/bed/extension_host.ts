// Tests that run inside the extension host: VS Code's server with its test driver, the extension from this folder.
import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Browser } from "./browser.ts";
import { environment, prepare, type Options } from "./code_server.ts";
import { EXTENSION, NODE, SERVER_MAIN } from "./places.ts";
import { end, freePort, soon, until } from "./waiting.ts";

/** What one test of the extension host came to. */
export interface Outcome {
  claim: string;
  milliseconds: number;
  error?: string;
}

/** Run the bundle `tests` inside an extension host; it writes its outcomes to the file CMT_HOST_OUTCOMES. */
export async function runInHost(tests: string, options: Options): Promise<Outcome[]> {
  const root = await mkdtemp(join(tmpdir(), "cmt-host-"));
  const outcomes = join(root, "outcomes.json");
  await prepare(root, options, join(root, "ud", "data"));
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const switches = ["--without-connection-token", "--accept-server-license-terms", "--enable-smoke-test-driver"];
  const child = spawn(
    NODE,
    [SERVER_MAIN, "--host", "127.0.0.1", "--port", String(port), ...switches, "--telemetry-level", "off", "--server-data-dir", join(root, "ud")],
    { env: environment(root, { CMT_HOST_OUTCOMES: outcomes, ...options.env }), stdio: ["ignore", "pipe", "pipe"] },
  );
  const log = createWriteStream(join(root, "server.log"));
  child.stdout.pipe(log);
  child.stderr.pipe(log);
  const browser = await Browser.start();
  const said: string[] = [];
  try {
    await until("VS Code's server listens", () => answers(origin));
    const ended = new Promise<number>((resolve) => {
      void browser.page.exposeFunction("codeAutomationExit", (code: number) => resolve(code));
    });
    await browser.page.exposeFunction("codeAutomationLog", (_type: string, args: unknown[]) => said.push(args.join(" ")));
    await browser.page.goto(address(origin, join(root, "work"), tests));
    const code = await soon("the tests of the extension host end", ended, 120_000);
    return JSON.parse(await readFile(outcomes, "utf8").catch(() => failed(code, said)));
  } finally {
    await browser.stop();
    await end(child);
    if (!process.env.CMT_KEEP_BED) await rm(root, { recursive: true, force: true, maxRetries: 5 });
  }
}

function failed(code: number, said: string[]): never {
  throw new Error(`the extension host ended with ${code} before it told anything:\n${said.join("\n")}`);
}

function address(origin: string, workspace: string, tests: string): string {
  const remote = (path: string) => `vscode-remote://${new URL(origin).host}${path}`;
  const payload = [
    ["extensionDevelopmentPath", remote(EXTENSION)],
    ["extensionTestsPath", remote(tests)],
  ];
  return `${origin}/?folder=${encodeURIComponent(workspace)}&payload=${encodeURIComponent(JSON.stringify(payload))}`;
}

async function answers(origin: string): Promise<boolean> {
  try {
    return (await fetch(`${origin}/version`)).ok;
  } catch {
    return false;
  }
}
