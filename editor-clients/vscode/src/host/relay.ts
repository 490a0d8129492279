// What a panel asks is done here, and nothing that is not in the contract of messages.ts.

import * as vscode from "vscode";
import { type FromHost, type FromPanel, PANEL_CALLS, type PanelConfig, type LiveSelection } from "../messages";
import type { Connection, Streamed } from "../server/connection";
import { errorBody, Refusal, refused, serverStopped } from "../server/errors";
import type { CompareParams, Methods, StreamValue, TurnNotification } from "../wire";
import { type Flight, Flights, idFor } from "./flights";
import type { Panel, Panels } from "./panels";

/** A message that is answered by one `reply`. */
export type Asked = Extract<FromPanel, { id: number }>;
export type Kind = Asked["type"];
export type Message<K extends Kind> = Extract<Asked, { type: K }>;
/** VS Code's verbs: each takes its message and settles with the result of the reply. */
export type Verbs = { [K in Exclude<Kind, "call" | "chat" | "retry" | "compare">]: (message: Message<K>, panel: Panel) => Promise<unknown> };

/** What a panel is told besides the server's words. */
export interface Sights {
  config(): PanelConfig;
  selection(): LiveSelection | null;
}

const CALLS: ReadonlySet<string> = new Set(PANEL_CALLS);
/** Calls after which other panels show something else. */
const SESSION_CHANGES: ReadonlySet<string> = new Set([
  "cmt/session/create",
  "cmt/session/update",
  "cmt/session/fork",
  "cmt/session/clear",
  "cmt/session/delete",
  "cmt/compare/choose",
]);

export class Relay implements vscode.Disposable {
  readonly flights = new Flights();
  readonly #disposables: vscode.Disposable[];

  constructor(
    readonly connection: Connection,
    readonly panels: Panels,
    readonly verbs: Verbs,
    readonly sights: Sights,
  ) {
    this.#disposables = [
      connection.onHealth((health) => panels.broadcast({ type: "health", health })),
      connection.onStatus((status) => panels.broadcast({ type: "status", status })),
      connection.onTurn((turn) => this.#onTurn(turn)),
      connection.onLost((sentence) => this.#onLost(sentence)),
    ];
  }

  dispose(): void {
    vscode.Disposable.from(...this.#disposables).dispose();
  }

  /** A message of a panel. */
  onMessage(panel: Panel, message: FromPanel): void {
    if (message.type === "ready") return this.#welcome(panel);
    const { asker } = panel;
    const reply = (said: { result?: unknown } | { error: unknown }) => {
      if (panel.asker.life !== asker.life) return;
      panel.post({ type: "reply", id: message.id, ...("error" in said ? { error: errorBody(said.error, true) } : said) });
    };
    this.#answer(panel, message).then((result) => reply({ result }), (error: unknown) => reply({ error }));
  }

  async #answer(panel: Panel, message: Asked): Promise<unknown> {
    switch (message.type) {
      case "call":
        return this.#call(panel, message);
      case "chat":
        return this.#stream(panel, message.id, "cmt/chat", message.params);
      case "retry":
        return this.#stream(panel, message.id, "cmt/retry", message.params);
      case "compare":
        return this.#stream(panel, message.id, "cmt/compare", message.params as CompareParams);
      default:
        return this.#verb(panel, message);
    }
  }

  #welcome(panel: Panel): void {
    this.panels.ready(panel);
    panel.post({
      type: "hello",
      health: this.connection.health,
      config: this.sights.config(),
      status: this.connection.status,
      selection: this.sights.selection(),
      sessionId: panel.sessionId,
      flights: this.flights.soFar(panel.asker),
    });
  }

  async #call(panel: Panel, { method, params }: Message<"call">): Promise<unknown> {
    if (!CALLS.has(method)) throw new Refusal(refused(`The panel may not call ${String(method)}.`));
    const result = await this.connection.request(method, params as Methods[typeof method]["params"]);
    if (SESSION_CHANGES.has(method)) this.#tellOthers(panel, { type: "sessionsChanged" });
    return result;
  }

  /** A verb that is refused says so where VS Code says such things; the panel does not have to. */
  async #verb(panel: Panel, message: Exclude<Asked, Message<"call" | "chat" | "retry" | "compare">>): Promise<unknown> {
    const verb = this.verbs[message.type] as ((message: Asked, panel: Panel) => Promise<unknown>) | undefined;
    if (!verb) throw new Refusal(refused(`The panel asked for ${String((message as Asked).type)}, which nobody knows.`));
    try {
      return await verb(message, panel);
    } catch (error) {
      void vscode.window.showWarningMessage(errorBody(error, true).message);
      throw error;
    }
  }

  /** A request that streams outlives the panel that asked; its values are kept for the panels that come. */
  async #stream<M extends Exclude<Streamed, "cmt/complete">>(panel: Panel, id: number, method: M, params: Methods[M]["params"]): Promise<unknown> {
    const flight = this.flights.begin({ asker: panel.asker, id, params });
    try {
      return await this.connection.stream(method, params, (value) => this.#onValue(flight, value));
    } finally {
      this.flights.end(flight);
    }
  }

  #onValue(flight: Flight, value: StreamValue): void {
    this.flights.add(flight, value);
    for (const panel of this.panels.all) {
      panel.post({
        type: "stream",
        flight: flight.number,
        id: idFor(flight, panel.asker),
        sessionId: flight.sessionId,
        value,
        question: value.kind === "started" ? flight.question : undefined,
      });
    }
  }

  #onTurn({ phase, turnId, sessionId, result, error }: TurnNotification): void {
    if (phase !== "ended" && phase !== "failed") return;
    const flight = this.flights.ofTurn(turnId)?.number;
    this.panels.broadcast({ type: "ended", flight, sessionId, turnId, result, error });
  }

  #onLost(sentence: string): void {
    for (const broken of this.flights.broken(serverStopped(sentence))) this.panels.broadcast({ type: "ended", ...broken });
  }

  #tellOthers(panel: Panel, message: FromHost): void {
    for (const other of this.panels.all) if (other !== panel) other.post(message);
  }
}
