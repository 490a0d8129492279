// The endpoint: the simulator of this repository in a process of its own, scripted and watched from a test.
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { PYTHON } from "./places.ts";
import { end, soon } from "./waiting.ts";

/** A fault by the name of its constructor in cmt_lsp/simulator/faults.py, with its arguments. */
export type Fault = { kind: string } & Record<string, unknown>;

/** A scripted answer, with the fields of cmt_lsp/simulator/answers.py. */
export interface Answer {
  text?: string;
  chunks?: string[];
  chunk_chars?: number;
  chunk_delay?: number;
  first_delay?: number;
  thinking?: string;
  usage?: Record<string, unknown>;
  fault?: Fault;
}

/** A request as the endpoint got it, and what became of it. */
export interface Recorded {
  index: number;
  path: string;
  headers: Record<string, string>;
  body: any;
  outcome: string;
  status: number | null;
  text_sent: string;
  usage: Record<string, unknown> | null;
}

export class Simulator {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, { resolve: (value: any) => void; reject: (error: Error) => void }>();
  #last = 0;
  url = "";

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
  }

  static async start(): Promise<Simulator> {
    const child = spawn(PYTHON, ["-P", join(import.meta.dirname, "simulator.py")], {
      env: process.env,
    });
    const simulator = new Simulator(child);
    child.stderr.on("data", (chunk) => process.stderr.write(chunk));
    createInterface(child.stdout).on("line", (line) => simulator.#hear(line));
    simulator.url = await soon("the simulator listens", simulator.#expect<string>(0));
    return simulator;
  }

  #hear(line: string): void {
    const { id, result, error } = JSON.parse(line);
    const waiter = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiter?.resolve(result);
    else waiter?.reject(new Error(`simulator: ${error}`));
  }

  #expect<T>(id: number): Promise<T> {
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #do<T = void>(name: string, options: object = {}): Promise<T> {
    const id = ++this.#last;
    const answered = this.#expect<T>(id);
    this.#child.stdin.write(JSON.stringify({ id, do: name, ...options }) + "\n");
    return soon(`the simulator obeys "${name}"`, answered, 40_000);
  }

  /** The answers of the next requests, in order; afterwards the default one again. */
  reply(...answers: (string | Answer)[]): Promise<void> {
    return this.#do("reply", { answers: answers.map((a) => (typeof a === "string" ? { text: a } : a)) });
  }

  /** What goes wrong with the next requests, one for each. */
  fail(...faults: Fault[]): Promise<void> {
    return this.#do("fail", { faults });
  }

  /** Let go what a stall holds. */
  release(): Promise<void> {
    return this.#do("release");
  }

  /** Drop what is scripted and what was recorded. */
  forget(): Promise<void> {
    return this.#do("forget");
  }

  /** Let the prompt cache of the endpoint run out. */
  cool(): Promise<void> {
    return this.#do("cool");
  }

  /** All that came, to any path. */
  requests(): Promise<Recorded[]> {
    return this.#do("requests");
  }

  /** The questions alone. */
  async questions(): Promise<Recorded[]> {
    return (await this.requests()).filter((request) => request.path === "/v1/messages");
  }

  /** Question number `n`, from 0, once it is in this state. */
  wait(state: "arrived" | "stalled" | "finished" | "closed", n: number, within = 20): Promise<Recorded> {
    return this.#do("wait", { state, n, within });
  }

  stop(): Promise<void> {
    this.#child.stdin.end();
    return end(this.#child);
  }
}
