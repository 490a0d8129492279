// Sessions that are there before anybody asked.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import { PYTHON } from "./places.ts";

export interface SeededSession {
  id: string;
  name: string;
  turns: { prompt: string; text: string; thinking?: string }[];
}

/** Put sessions into the transcripts below `state`, as those of `workspace`. */
export async function seed(state: string, workspace: string, sessions: SeededSession[]): Promise<void> {
  const child = spawn(PYTHON, ["-P", join(import.meta.dirname, "seed.py")], { stdio: ["pipe", "inherit", "inherit"] });
  child.stdin.end(JSON.stringify({ state, workspace, sessions }));
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`seed.py ended with ${code}`);
}
