// A workbench: code-server with the extension installed from its package, and a home that nobody else uses.
import { spawn, type ChildProcess } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { CODE_SERVER, NODE, VSIX, WATCH_NODE, WATCH_PYTHON } from "./places.ts";
import { end, freePort, run, until } from "./waiting.ts";

/** The key that the tests use; the endpoint takes any. */
export const KEY = "sk-ant-api03-test-key-of-the-workbench";

export interface Options {
  /** Settings of the user. */
  settings?: Record<string, unknown>;
  /** Settings of the machine, where those of machine scope stand. */
  machine?: Record<string, unknown>;
  /** Added to the environment of the extension host; undefined takes a name away. */
  env?: Record<string, string | undefined>;
  /** Whether the workbench asks about unknown workspaces. */
  trust?: boolean;
  /** Files of the workspace by their path. */
  files?: Record<string, string>;
  /** Packages to install besides the extension. */
  extensions?: string[];
  /** Programs that come first on the PATH, by their name, and files beside them. */
  programs?: Record<string, string | Buffer>;
}

const QUIET = {
  "workbench.startupEditor": "none",
  "telemetry.telemetryLevel": "off",
  "chat.disableAIFeatures": true,
  "workbench.tips.enabled": false,
  "files.simpleDialog.enable": true,
  "remote.autoForwardPorts": false,
  // Else a quick pick closes when something else takes the focus late.
  "workbench.quickOpen.closeOnFocusLost": false,
};

export class CodeServer {
  readonly root: string;
  readonly port: number;
  /** The environment that the extension host has, and its servers. */
  readonly env: NodeJS.ProcessEnv;
  readonly #child: ChildProcess;

  private constructor(root: string, port: number, env: NodeJS.ProcessEnv, child: ChildProcess) {
    this.root = root;
    this.port = port;
    this.env = env;
    this.#child = child;
  }

  get workspace(): string {
    return join(this.root, "work");
  }

  /** Where the server under test keeps its state. */
  get state(): string {
    return join(this.root, "state");
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The address of the workbench with a folder open: the workspace, unless another one is named. */
  address(folder = this.workspace): string {
    return `${this.origin}/?folder=${encodeURIComponent(folder)}`;
  }

  static async start(options: Options = {}): Promise<CodeServer> {
    const root = await mkdtemp(join(tmpdir(), "cmt-bed-"));
    const port = await freePort();
    await prepare(root, options);
    const env = environment(root, options.env ?? {});
    const data = ["--user-data-dir", join(root, "ud"), "--extensions-dir", join(root, "ext")];
    const packages = [VSIX, ...(options.extensions ?? [])].flatMap((one) => ["--install-extension", one]);
    await run(NODE, [CODE_SERVER, ...data, ...packages], env);
    const trust = options.trust ? [] : ["--disable-workspace-trust"];
    const switches = ["--disable-telemetry", "--disable-update-check", "--disable-getting-started-override", ...trust];
    const child = spawn(
      NODE,
      ["--require", WATCH_NODE, CODE_SERVER, "--auth", "none", "--bind-addr", `127.0.0.1:${port}`, ...switches, ...data, join(root, "work")],
      { env, stdio: ["ignore", "pipe", "pipe"] },
    );
    const log = createWriteStream(join(root, "code-server.log"));
    child.stdout.pipe(log);
    child.stderr.pipe(log);
    const server = new CodeServer(root, port, env, child);
    await until("code-server listens", () => alive(server.origin));
    return server;
  }

  /** Write settings of the machine, in place of those before; the workbench takes them up by itself. */
  async machine(wanted: Record<string, unknown>): Promise<void> {
    await writeSettings(join(this.root, "ud", "Machine"), wanted);
  }

  /** Process ids of the servers under test that the extension host started. */
  async servers(): Promise<number[]> {
    const found: number[] = [];
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number)) {
      const [command, env, status] = await Promise.all(
        ["cmdline", "environ", "status"].map((name) => readFile(`/proc/${pid}/${name}`, "utf8").catch(() => "")),
      );
      const parent = Number(/^PPid:\s*(\d+)/m.exec(status!)?.[1]);
      const ours = env!.includes(`CMT_STATE_DIR=${this.state}`) && /cmt[-_]lsp/.test(command!.split("\0").slice(0, 4).join(" "));
      if (ours && parent !== process.pid && !/node|code-server/.test(command!.split("\0")[0]!)) found.push(pid);
    }
    return found;
  }

  /** Hosts off this machine that a process of the workbench connected to or looked up, such as "python example.com". */
  async foreign(): Promise<string[]> {
    const noted = await readFile(join(this.root, "hosts.txt"), "utf8").catch(() => "");
    return [...new Set(noted.split("\n"))].filter((line) => line !== "" && !/ (\/.*|127\.0\.0\.1|localhost)$/.test(line));
  }

  async stop(): Promise<void> {
    await end(this.#child);
    if (!process.env.CMT_KEEP_BED) await rm(this.root, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Settings and the workspace below `root`; `data` is where the workbench keeps its own. */
export async function prepare(root: string, options: Options, data = join(root, "ud")): Promise<void> {
  await writeSettings(join(data, "User"), {
    ...QUIET,
    "security.workspace.trust.enabled": options.trust ?? false,
    ...options.settings,
  });
  await writeSettings(join(data, "Machine"), options.machine ?? {});
  const files = [
    ...Object.entries(options.files ?? {}).map(([name, data]) => [join(root, "work", name), data] as const),
    ...Object.entries(options.programs ?? {}).map(([name, data]) => [join(root, "bin", name), data] as const),
  ];
  await mkdir(join(root, "work"), { recursive: true });
  for (const [path, data] of files) {
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, data, { mode: path.startsWith(join(root, "bin")) ? 0o755 : 0o644 });
  }
}

async function writeSettings(folder: string, settings: Record<string, unknown>): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "settings.json"), JSON.stringify(settings, null, 2));
}

/** Nothing of the person's own: a home, a state and settings in the folder of the run, no gallery. */
export function environment(root: string, added: Record<string, string | undefined>): NodeJS.ProcessEnv {
  const xdg = Object.fromEntries(["CONFIG", "CACHE", "DATA", "STATE"].map((n) => [`XDG_${n}_HOME`, join(root, n.toLowerCase())]));
  return {
    PATH: `${join(root, "bin")}:${process.env.PATH}`,
    LANG: "C.UTF-8",
    HOME: root,
    TMPDIR: root,
    EXTENSIONS_GALLERY: "{}",
    // Else the shell of the login is asked for its environment, and its PATH would be the one in force.
    VSCODE_CLI: "1",
    CMT_STATE_DIR: join(root, "state"),
    ANTHROPIC_API_KEY: KEY,
    CMT_WATCH_FILE: join(root, "hosts.txt"),
    PYTHONPATH: WATCH_PYTHON,
    ...xdg,
    ...added,
  };
}

async function alive(origin: string): Promise<boolean> {
  try {
    return (await fetch(`${origin}/healthz`)).ok;
  } catch {
    return false;
  }
}
