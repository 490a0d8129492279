// Which Python makes the environment: candidates in order, and what one of them said of itself. Plain functions.

import * as path from "node:path";
import { searched } from "./candidates";

export const OLDEST = [3, 11] as const;
const NAMES = ["python3.14", "python3.13", "python3.12", "python3.11", "python3", "python"];

/** Prints what `judgePython` reads; the modules are those without which no environment can be made. */
export const PROBE = "import json, sys, venv, ensurepip; print(json.dumps(list(sys.version_info[:2])))";

export interface Candidate {
  command: string;
  args: string[];
}

/** Every Python to try; where one was named, by its path or its name on PATH, that one alone. */
export function pythons(setting: string, searchPath: string, windows: boolean): Candidate[] {
  if (path.isAbsolute(setting)) return [{ command: setting, args: [] }];
  if (setting) return searched(path.basename(setting), searchPath, windows).map((command) => ({ command, args: [] }));
  const launcher = windows ? searched("py", searchPath, true).map((command) => ({ command, args: ["-3"] })) : [];
  const found = NAMES.flatMap((name) => searched(name, searchPath, windows));
  return [...launcher, ...found.map((command) => ({ command, args: [] }))];
}

export type Probed = { ok: true } | { ok: false; why: string };

/** Judge what the probe printed; `null` where it could not be run to its end. */
export function judgePython(printed: string | null, errors: string): Probed {
  if (printed === null) {
    const module = /No module named '?(venv|ensurepip)/.exec(errors)?.[1];
    return { ok: false, why: module ? `it lacks the module ${module}, which on Debian is in python3-venv` : "it does not run" };
  }
  const version = parse(printed);
  if (!version) return { ok: false, why: "it does not tell its version" };
  const [major, minor] = version;
  const fits = major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
  return fits ? { ok: true } : { ok: false, why: `it is ${major}.${minor}` };
}

function parse(printed: string): [number, number] | null {
  const found = /\[(\d+), (\d+)\]\s*$/.exec(printed);
  return found ? [Number(found[1]), Number(found[2])] : null;
}
