// The extension host as the panel sees it, without VS Code: keeps sessions in memory, streams what it is told to, and
// records all that it was asked. Runs in the page, before the panel's own script.

import type { FromHost, FromPanel, PanelState, ServerHealth } from "../../../src/messages";
import type { RpcErrorBody, Session, Status, StreamValue, TurnRecord, TurnResult } from "../../../src/wire";
import * as samples from "./samples";

type Asked = Extract<FromPanel, { id: number }>;

export class FakeHost {
  readonly posted: FromPanel[] = [];
  readonly sessions = new Map<string, { info: Session; turns: TurnRecord[] }>();
  readonly failures = new Map<string, RpcErrorBody>();
  /** Answers that a scenario puts in the place of the usual ones. */
  readonly answers: Record<string, (params: never) => unknown> = {};
  health: ServerHealth = { state: "ready", message: "", mend: [], key: true };
  hello: Partial<Extract<FromHost, { type: "hello" }>> = {};
  state: PanelState | undefined;
  /** The answer that is streamed, in pieces of so many characters, one each so many milliseconds. */
  answer = samples.ANSWER;
  thinking = "";
  piece = 12;
  pause = 10;
  confirm = true;
  private turns = 1000;
  private flights = 0;
  private running = new Map<string, { stop: () => void }>();

  send(message: FromHost): void {
    window.postMessage(message, "*");
  }

  api() {
    return {
      postMessage: (message: FromPanel) => {
        this.posted.push(structuredClone(message));
        queueMicrotask(() => this.take(message));
      },
      getState: () => this.state,
      setState: (state: PanelState) => {
        this.state = structuredClone(state);
      },
    };
  }

  add(info: Session, turns: TurnRecord[]): void {
    this.sessions.set(info.id, { info, turns });
  }

  status(known: Partial<Status> = {}): Status {
    const first = this.sessions.keys().next();
    return samples.status(first.done ? "none" : first.value, known);
  }

  private take(message: FromPanel): void {
    if (message.type === "ready") {
      const config = { sendOnEnter: true, showThinking: "folded" } as const;
      this.send({ type: "hello", health: this.health, config, status: this.status(), selection: null, flights: [], ...this.hello });
    } else void this.reply(message);
  }

  private async reply(message: Asked): Promise<void> {
    const failure = this.failures.get(message.type === "call" ? message.method : message.type);
    if (failure) return this.send({ type: "reply", id: message.id, error: failure });
    this.send({ type: "reply", id: message.id, result: await this.result(message) });
  }

  private async result(message: Asked): Promise<unknown> {
    if (message.type === "call") return this.call(message.method, message.params as never);
    if (message.type === "chat") return this.chat(message.id, message.params.sessionId ?? "", message.params.text);
    if (message.type === "retry") return this.chat(message.id, message.params.sessionId, "", message.params.turnId);
    if (message.type === "compare") return this.compare(message.id, message.params as { sessionId: string; models: string[]; text: string });
    return this.answers[message.type]?.(message as never) ?? (message.type === "confirm" ? this.confirm : null);
  }

  private call(method: string, params: Record<string, unknown> & { sessionId: string }): unknown {
    const own = this.answers[method];
    if (own) return own(params as never);
    const there = this.sessions.get(params.sessionId);
    switch (method) {
      case "cmt/session/get":
        return this.page(params);
      case "cmt/session/list":
        return { sessions: [...this.sessions.values()].map(({ info }) => info) };
      case "cmt/session/create":
        return this.create({ name: "", turns: 0, ...(params["model"] ? { model: String(params["model"]) } : {}) });
      case "cmt/session/update":
        Object.assign(there!.info, params["name"] ? { name: params["name"] } : {}, params["model"] ? { model: params["model"] } : {});
        return structuredClone(there!.info);
      case "cmt/session/fork": {
        const at = there!.turns.findIndex((turn) => turn.turnId === params["turnId"]);
        const made = this.create({ name: `${there!.info.name} (fork)` });
        this.sessions.get(made.id)!.turns = at < 0 ? [...there!.turns] : there!.turns.slice(0, at + 1);
        return made;
      }
      case "cmt/session/delete":
        this.sessions.delete(params.sessionId);
        return {};
      case "cmt/session/export":
        return { text: "# exported", suggestedName: "session.md" };
      case "cmt/models":
        return { models: samples.MODELS };
      case "cmt/predict":
        return samples.prediction();
      case "cmt/preview":
        return samples.preview(String(params["text"]));
      case "cmt/usage":
        return samples.report(params["groupBy"] as string | undefined);
      case "cmt/budget/get":
      case "cmt/budget/set":
        return { budgets: samples.BUDGETS };
      case "cmt/cache/stats":
        return samples.CACHE;
      case "cmt/cache/advice":
        return samples.ADVICE;
      case "cmt/image/inspect":
        return samples.inspection(String(params["name"] ?? "picture.png"));
      case "cmt/cancel":
        this.running.get(params.sessionId)?.stop();
        return { cancelled: 1 };
      default:
        return {};
    }
  }

  private create(known: Partial<Session>): Session {
    const info = samples.session(`session-${++this.turns}`, known);
    this.add(info, []);
    return structuredClone(info);
  }

  private page({ sessionId, before, last }: { sessionId: string; before?: string; last?: number }): unknown {
    const { info, turns } = this.sessions.get(sessionId) ?? { info: samples.session(sessionId), turns: [] };
    const end = before ? turns.findIndex((turn) => turn.turnId === before) : turns.length;
    const from = last ? Math.max(0, end - last) : 0;
    return structuredClone({ session: info, turns: turns.slice(from, end), earlier: from });
  }

  private async chat(id: number, sessionId: string, text: string, replaces?: string): Promise<TurnResult> {
    const there = this.sessions.get(sessionId) ?? this.sessions.get(this.create({}).id)!;
    const question = replaces ? (there.turns.at(-1)?.prompt ?? "") : text;
    const turnId = `turn-${++this.turns}`;
    const stopReason = await this.stream(id, ++this.flights, sessionId, turnId, "claude-sonnet-5-5", question);
    const said = this.said.get(turnId) ?? "";
    if (replaces) there.turns.pop();
    const index = (there.turns.at(-1)?.index ?? -1) + 1;
    const record = samples.turn(index, { turnId, prompt: question, text: said, stopReason, thinking: this.thinking || undefined });
    there.turns.push(record);
    const result: TurnResult = { ...record, sessionId, cache: record.cache! };
    this.send({ type: "ended", sessionId, turnId, result });
    return result;
  }

  private async compare(id: number, params: { sessionId: string; models: string[]; text: string }): Promise<unknown> {
    const flight = ++this.flights;
    const rows = await Promise.all(
      params.models.map(async (model, index): Promise<TurnResult> => {
        const turnId = `turn-${++this.turns}`;
        const stopReason = await this.stream(id, flight, params.sessionId, turnId, model, params.text, this.pause * (index + 1));
        const { text: _text, ...record } = samples.turn(index, { turnId, model, stopReason, cost: samples.cost(4e6 * (index + 1)) });
        return { ...record, text: this.said.get(turnId) ?? "", sessionId: params.sessionId, cache: record.cache! };
      }),
    );
    return { compareId: "compare-1", sessionId: params.sessionId, rows };
  }

  private readonly said = new Map<string, string>();

  /** Values of one turn, as the server sends them. Settles with the stop reason. */
  private async stream(id: number, flight: number, sessionId: string, turnId: string, model: string, question: string, pause = this.pause): Promise<string> {
    let seq = 0;
    let stopped = false;
    this.running.set(sessionId, { stop: () => (stopped = true) });
    const say = (value: Record<string, unknown>): void =>
      this.send({ type: "stream", flight, id, sessionId, question, value: { turnId, seq: seq++, ...value } as unknown as StreamValue });
    say({ kind: "started", model, sessionId });
    say({ kind: "waiting", phase: "sending", elapsedMs: 0 });
    for (const [kind, text] of [["thinking", this.thinking], ["text", this.answer]] as const) {
      const all = [...text];
      for (let at = 0; at < all.length && !stopped; at += this.piece) {
        if (pause) await new Promise((resolve) => setTimeout(resolve, pause));
        const piece = all.slice(at, at + this.piece).join("");
        if (kind === "text") this.said.set(turnId, (this.said.get(turnId) ?? "") + piece);
        say({ kind, text: piece, offset: at, sentAt: performance.now() });
      }
    }
    const stopReason = stopped ? "cancelled" : "end_turn";
    say({ kind: "end", stopReason, usage: samples.usage(), cost: samples.cost(9_400_000), cache: samples.HIT });
    return stopReason;
  }
}

declare global {
  interface Window {
    fake: FakeHost;
    samples: typeof samples;
    acquireVsCodeApi: () => ReturnType<FakeHost["api"]>;
  }
}

window.fake = new FakeHost();
window.samples = samples;
window.acquireVsCodeApi = () => window.fake.api();
