// The server spoken to without an editor, over the state of a workbench: to fill it, and to ask what is true.
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";

import { CMT_LSP } from "./places.ts";
import { end, soon } from "./waiting.ts";

interface Answer {
  id?: number | string;
  method?: string;
  result?: any;
  error?: { message: string; data?: unknown };
}

export class LanguageClient {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #heard = Buffer.alloc(0);
  #last = 0;

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    child.stdout.on("data", (chunk: Buffer) => this.#hear(chunk));
  }

  /** A server in `folder` with this environment, ready. */
  static async start(folder: string, env: NodeJS.ProcessEnv): Promise<LanguageClient> {
    const client = new LanguageClient(spawn(CMT_LSP, ["--stdio"], { env, cwd: folder }));
    const root = `file://${folder}`;
    await client.request("initialize", {
      processId: process.pid,
      rootUri: root,
      workspaceFolders: [{ uri: root, name: "work" }],
      capabilities: {},
    });
    client.#send({ method: "initialized", params: {} });
    return client;
  }

  async request<T = any>(method: string, params: unknown = {}, within = 30_000): Promise<T> {
    const id = ++this.#last;
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.#send({ id, method, params });
    const { result, error } = await soon(`${method} is answered`, answered, within);
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  #send(message: object): void {
    const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
    this.#child.stdin.write(`Content-Length: ${body.length}\r\n\r\n`);
    this.#child.stdin.write(body);
  }

  #hear(chunk: Buffer): void {
    this.#heard = Buffer.concat([this.#heard, chunk]);
    for (;;) {
      const head = this.#heard.indexOf("\r\n\r\n");
      if (head < 0) return;
      const length = Number(/content-length: *(\d+)/i.exec(this.#heard.toString("latin1", 0, head))?.[1]);
      const from = head + 4;
      if (this.#heard.length < from + length) return;
      this.#take(JSON.parse(this.#heard.toString("utf8", from, from + length)));
      this.#heard = this.#heard.subarray(from + length);
    }
  }

  /** An answer goes to who asked; a question of the server is answered with nothing. */
  #take(message: Answer): void {
    if (message.method === undefined) {
      this.#waiting.get(message.id as number)?.(message);
      this.#waiting.delete(message.id as number);
    } else if (message.id !== undefined) {
      this.#send({ id: message.id, result: null });
    }
  }

  async stop(): Promise<void> {
    await this.request("shutdown", undefined);
    this.#send({ method: "exit" });
    await end(this.#child);
  }
}
