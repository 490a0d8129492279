// The one connection of this window to its server: started, watched, started again, and asked.

import * as vscode from "vscode";
import { type LanguageClient, ProgressType } from "vscode-languageclient/node";
import type { ServerHealth } from "../messages";
import type { Methods, Status, StreamValue, TurnNotification } from "../wire";
import { hear, makeClient } from "./client";
import { judge } from "./contract";
import { errorBody, Refusal, serverStopped } from "./errors";
import { type Trouble, unwell, well } from "./health";
import { Restarts } from "./restarts";

/** What the connection needs of its surroundings. */
export interface Surroundings {
  /** The program to start, or why there is none. Asked at each start. */
  find(): Promise<{ path: string } | { trouble: Trouble }>;
  /** The `cmt` section for the server. */
  options(): Record<string, unknown>;
  /** The key that this window keeps, if any. */
  key(): Promise<string | undefined>;
  log: vscode.LogOutputChannel;
}

type Params<M extends keyof Methods> = Methods[M]["params"];
/** A turn itself; that it was accepted is told only through the door for commands. */
type Result<M extends keyof Methods> = Exclude<Methods[M]["result"], { turnIds: string[] }>;
export type Streamed = "cmt/chat" | "cmt/retry" | "cmt/compare" | "cmt/complete";

const STREAM = new ProgressType<StreamValue>();
const START_LIMIT_MS = 30_000;

export class Connection implements vscode.Disposable {
  readonly #health = new vscode.EventEmitter<ServerHealth>();
  readonly #status = new vscode.EventEmitter<Status>();
  readonly #turns = new vscode.EventEmitter<TurnNotification>();
  readonly #lost = new vscode.EventEmitter<string>();
  readonly onHealth = this.#health.event;
  readonly onStatus = this.#status.event;
  readonly onTurn = this.#turns.event;
  /** The server stopped by itself; the sentence for whatever was under way. */
  readonly onLost = this.#lost.event;

  readonly #around: Surroundings;
  readonly #restarts = new Restarts();
  #client: LanguageClient | undefined;
  #starting: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #tokens = 0;
  #disposed = false;
  health: ServerHealth = well("starting");
  status: Status | null = null;
  /** The program that runs, or ran last. */
  path = "";

  constructor(around: Surroundings) {
    this.#around = around;
  }

  /** Start unless it runs; settles when it is ready, or with the trouble told as health. */
  start(): Promise<void> {
    if (this.#client || this.#disposed) return this.#starting ?? Promise.resolve();
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  /** Stop what runs and start anew, as the person asked. */
  async restart(): Promise<void> {
    this.#restarts.forget();
    await this.#starting;
    await this.#stop("The server was restarted: ask again.");
    await this.start();
  }

  /** Tell the server the settings that changed. */
  async tellOptions(): Promise<void> {
    if (this.health.state !== "ready") return;
    await this.#client?.sendNotification("workspace/didChangeConfiguration", { settings: { cmt: this.#around.options() } });
  }

  /** Hand the key to the server; an empty one is forgotten there. */
  async tellKey(apiKey: string): Promise<void> {
    await this.request("cmt/auth/set", { apiKey });
    await this.refreshKey();
  }

  /** Ask where the key comes from, and tell it as health. */
  async refreshKey(): Promise<void> {
    const status = await this.request("cmt/auth/status", {});
    this.#tell({ ...this.health, key: status.source !== "none" });
  }

  /** Ask the server; throws a `Refusal` with what to show. */
  async request<M extends keyof Methods>(
    method: M,
    params: Params<M>,
    token?: vscode.CancellationToken,
  ): Promise<Result<M>> {
    const client = await this.#ready();
    try {
      return await client.sendRequest<Result<M>>(method, params, ...given(token));
    } catch (error) {
      throw new Refusal(errorBody(error, this.#client === client));
    }
  }

  /** Ask for an answer that streams; `onValue` hears each value before the promise settles. */
  async stream<M extends Streamed>(
    method: M,
    params: Params<M>,
    onValue: (value: StreamValue) => void,
    token?: vscode.CancellationToken,
  ): Promise<Result<M>> {
    const client = await this.#ready();
    const partialResultToken = `cmt-${++this.#tokens}`;
    const listening = client.onProgress(STREAM, partialResultToken, onValue);
    try {
      return await client.sendRequest<Result<M>>(method, { ...params, partialResultToken }, ...given(token));
    } catch (error) {
      throw new Refusal(errorBody(error, this.#client === client));
    } finally {
      listening.dispose();
    }
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    clearTimeout(this.#timer);
    await this.#stop("The window closes.");
    for (const emitter of [this.#health, this.#status, this.#turns, this.#lost]) emitter.dispose();
  }

  async #ready(): Promise<LanguageClient> {
    await this.start();
    if (this.#client && this.health.state === "ready") return this.#client;
    throw new Refusal(serverStopped(this.health.message || "The server does not run: restart it."));
  }

  async #start(): Promise<void> {
    clearTimeout(this.#timer);
    this.#tell(well("starting"));
    const found = await this.#around.find();
    if ("trouble" in found) return this.#tell(unwell(found.trouble));
    this.path = found.path;
    const client = this.#newClient(found.path);
    this.#client = client;
    try {
      await within(START_LIMIT_MS, client.start());
    } catch (error) {
      if (this.#client !== client) return;
      this.#client = undefined;
      await this.#discard(client);
      return this.#tell(unwell({ kind: "not_started", detail: sentence(error) }));
    }
    await this.#welcome(client, found.path);
  }

  async #welcome(client: LanguageClient, path: string): Promise<void> {
    const verdict = judge(path, client.initializeResult?.capabilities);
    if (verdict.trouble) {
      this.#client = undefined;
      await this.#discard(client);
      return this.#tell(unwell(verdict.trouble));
    }
    this.#restarts.started(Date.now());
    const key = await this.#around.key();
    if (key) {
      const told = within(START_LIMIT_MS, client.sendRequest("cmt/auth/set", { apiKey: key }));
      await told.catch((error) => this.#note("the key was not taken", error));
    }
    if (this.#client !== client) return;
    this.#tell(well("ready", verdict.advertised.serverVersion));
    this.refreshKey().catch((error) => this.#note("the key's source is not known", error));
  }

  #newClient(path: string): LanguageClient {
    const { log, options } = this.#around;
    const client: LanguageClient = makeClient(path, { log, options, onClosed: () => this.#onClosed(client) });
    hear(client, "cmt/status", (status) => {
      this.status = status;
      this.#status.fire(status);
    });
    hear(client, "cmt/turn", (turn) => this.#turns.fire(turn));
    return client;
  }

  #onClosed(client: LanguageClient): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    if (this.health.state === "starting") return this.#tell(unwell({ kind: "not_started", detail: "it ended at once" }));
    const delay = this.#restarts.died(Date.now());
    if (delay === null) {
      this.#tell(unwell({ kind: "crashed", detail: this.path, times: this.#restarts.deaths }));
    } else {
      this.#tell(well("starting"));
      this.#timer = setTimeout(() => void this.start(), delay);
    }
    this.#lost.fire("The server stopped while it answered: what had come is kept here; ask again.");
  }

  async #stop(reason: string): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    if (!client) return;
    this.#lost.fire(reason);
    await this.#discard(client);
  }

  async #discard(client: LanguageClient): Promise<void> {
    await client.dispose(3_000).catch((error) => this.#note("the server did not stop by itself", error));
  }

  #tell(health: ServerHealth): void {
    this.health = health;
    if (!this.#disposed) this.#health.fire(health);
  }

  #note(what: string, error: unknown): void {
    this.#around.log.warn(`${what}: ${sentence(error)}`);
  }
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function within<T>(limit: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`it said nothing for ${limit / 1000} s`)), limit);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** A token that is there: an undefined one would be taken for a second parameter, and both sent as an array. */
function given(token: vscode.CancellationToken | undefined): vscode.CancellationToken[] {
  return token ? [token] : [];
}
