// The extension's own Python environment with the server in it, made only when the person asks.
//
// Each installation gets a folder of its own and counts once its marker is written: a failed one harms nothing, and a
// server that runs from the old one runs on until it is restarted.

import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import * as path from "node:path";
import type * as vscode from "vscode";
import type { ServerSettings } from "../host/settings";
import { inEnvironment } from "./candidates";
import type { Trouble } from "./health";
import { packageSpec } from "./package-spec";
import { type Candidate, judgePython, PROBE, pythons } from "./pythons";
import { type Ran, run } from "./run";

const WINDOWS = process.platform === "win32";
const MARKER = "complete.json";
const PROBE_LIMIT_MS = 20_000;
const VENV_LIMIT_MS = 180_000;
const PIP_LIMIT_MS = 900_000;

export type Installed = { ok: true } | { trouble: Trouble } | { cancelled: true };

interface Step {
  progress: vscode.Progress<{ message?: string; increment?: number }>;
  token: vscode.CancellationToken;
}

export class ManagedEnvironment {
  readonly #root: string;
  readonly #extension: string;
  readonly #log: vscode.LogOutputChannel;

  constructor(storage: string, extension: string, log: vscode.LogOutputChannel) {
    this.#root = path.join(storage, "server");
    this.#extension = extension;
    this.#log = log;
  }

  /** The newest complete environment, if one was made. */
  get folder(): string | undefined {
    const [newest] = this.#complete();
    return newest && path.join(this.#root, newest);
  }

  /** What would be installed, in words, or why nothing can be. */
  what(settings: ServerSettings): { words: string } | { problem: string } {
    return packageSpec(this.#sources(settings));
  }

  /** Make a new environment with the server in it. */
  async install(settings: ServerSettings, step: Step): Promise<Installed> {
    const spec = packageSpec(this.#sources(settings));
    if ("problem" in spec) return { trouble: { kind: "install_failed", detail: spec.problem } };
    await mkdir(this.#root, { recursive: true });
    step.progress.report({ message: "looking for Python" });
    const python = await this.#findPython(settings.python, step.token);
    if ("why" in python) return { trouble: { kind: "no_python", detail: python.why } };
    const folder = path.join(this.#root, String(Date.now()));
    const done = await this.#make(python, folder, spec.install, step);
    if ("ok" in done) this.#removeOthers(folder);
    else rmSync(folder, { recursive: true, force: true });
    return done;
  }

  async #make(python: Candidate, folder: string, install: string, step: Step): Promise<Installed> {
    step.progress.report({ message: "making an environment", increment: 10 });
    const venv = await this.#run(python.command, [...python.args, "-I", "-m", "venv", folder], VENV_LIMIT_MS, step);
    if (step.token.isCancellationRequested) return { cancelled: true };
    if (venv.code !== 0) return failed("the environment could not be made", venv);
    step.progress.report({ message: "installing cmt-lsp", increment: 30 });
    const pip = ["-I", "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--prefer-binary", install];
    const ran = await this.#run(inEnvironment(folder, "python", WINDOWS), pip, PIP_LIMIT_MS, step);
    if (step.token.isCancellationRequested) return { cancelled: true };
    if (ran.code !== 0) return failed("pip stopped", ran);
    if (!existsSync(inEnvironment(folder, "cmt-lsp", WINDOWS))) {
      return { trouble: { kind: "install_failed", detail: "the package has no program cmt-lsp." } };
    }
    await writeFile(path.join(folder, MARKER), JSON.stringify({ install, python: python.command }));
    return { ok: true };
  }

  async #findPython(setting: string, token: vscode.CancellationToken): Promise<Candidate | { why: string }> {
    const candidates = pythons(setting, process.env.PATH ?? "", WINDOWS).filter((one) => existsSync(one.command));
    const reasons: string[] = setting && !candidates.length ? [`${setting} does not exist`] : [];
    for (const candidate of candidates) {
      const running = { cwd: this.#root, limitMs: PROBE_LIMIT_MS, token };
      const ran = await run(candidate.command, [...candidate.args, "-I", "-c", PROBE], running);
      const judged = judgePython(ran.code === 0 ? ran.stdout : null, ran.stderr);
      if (judged.ok) return candidate;
      reasons.push(`${candidate.command}: ${judged.why}`);
    }
    return { why: reasons.slice(0, 3).join("; ") || "none is on PATH" };
  }

  #run(command: string, args: string[], limitMs: number, { token }: Step): Promise<Ran> {
    this.#log.info([command, ...args].join(" "));
    return run(command, args, { cwd: this.#root, limitMs, token, onLine: (line) => this.#log.info(line) });
  }

  #sources({ package: setting }: ServerSettings) {
    return { setting, bundled: this.#bundled(), home: homedir(), exists: existsSync };
  }

  #bundled(): string | undefined {
    const folder = path.join(this.#extension, "build", "server");
    const wheel = names(folder).find((name) => name.endsWith(".whl"));
    return wheel && path.join(folder, wheel);
  }

  /** The folders with a marker, the newest first. */
  #complete(): string[] {
    const numbered = names(this.#root).filter((name) => /^\d+$/.test(name));
    return numbered.filter((name) => readable(path.join(this.#root, name, MARKER))).sort((a, b) => Number(b) - Number(a));
  }

  #removeOthers(kept: string): void {
    for (const name of names(this.#root)) {
      if (name === path.basename(kept)) continue;
      try {
        rmSync(path.join(this.#root, name), { recursive: true, force: true });
      } catch (error) {
        this.#log.warn(`an old environment stays: ${String(error)}`);
      }
    }
  }
}

function failed(what: string, { stderr, stdout }: Ran): Installed {
  const lines = (stderr.trim() || stdout.trim()).split(/\r?\n/);
  const last = lines.reverse().find((line) => /error/i.test(line)) ?? lines[0] ?? "";
  return { trouble: { kind: "install_failed", detail: `${what}: ${last.trim() || "see the log"}` } };
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function readable(file: string): boolean {
  try {
    return readFileSync(file, "utf8").startsWith("{");
  } catch {
    return false;
  }
}
