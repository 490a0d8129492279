// Runs one program to its end, without a shell, within a limit, away from the workspace.

import { type ChildProcess, spawn } from "node:child_process";
import type { CancellationToken } from "vscode";

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  cwd: string;
  limitMs: number;
  token?: CancellationToken;
  onLine?: (line: string) => void;
}

const KEPT = 200_000;

/** Settles with the exit code; `null` where it was stopped, or could not be started at all. */
export function run(command: string, args: readonly string[], { cwd, limitMs, token, onLine }: Running): Promise<Ran> {
  return new Promise((done) => {
    const ran: Ran = { code: null, stdout: "", stderr: "" };
    const child = spawn(command, args, { cwd, windowsHide: true, stdio: ["ignore", "pipe", "pipe"] });
    const stop = () => void child.kill("SIGKILL");
    const timer = setTimeout(stop, limitMs);
    const cancelled = token?.onCancellationRequested(stop);
    collect(child, ran, onLine);
    const finish = (code: number | null) => {
      clearTimeout(timer);
      cancelled?.dispose();
      done({ ...ran, code });
    };
    child.on("error", (error) => {
      ran.stderr += error.message;
      finish(null);
    });
    child.on("close", finish);
  });
}

function collect(child: ChildProcess, ran: Ran, onLine: ((line: string) => void) | undefined): void {
  for (const name of ["stdout", "stderr"] as const) {
    let rest = "";
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      ran[name] = (ran[name] + text).slice(-KEPT);
      const lines = (rest + text).split(/\r?\n/);
      rest = lines.pop() ?? "";
      if (onLine) lines.forEach(onLine);
    });
  }
}
