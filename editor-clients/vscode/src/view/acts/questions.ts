// Asking: send, hold, ask again, stop, and what becomes of a question that was refused.

import type { ChatParams, ContextItem, Prediction, PreviewResult, RetryParams, TurnResult } from "../../wire";
import { bodyOf } from "../host";
import { isEmpty, NO_DRAFT, type Draft, type Held } from "../state/draft";
import { NEW, type Panel } from "../state/panel";
import { isBusy, type Asking, type Failure } from "../state/session";
import type { Desk } from "./desk";
import type { Sessions } from "./sessions";

/** Milliseconds between two words to the server that somebody types. */
const TYPING_PAUSE = 20_000;

export class Questions {
  /** The selection that each question was about, for changing it through a diff. */
  private readonly origins = new Map<string, ContextItem>();
  private toldTyping = 0;
  private mayKeep = true;

  constructor(
    private readonly desk: Desk,
    private readonly sessions: Sessions,
  ) {}

  /** Keep what a question was about, by the turn that answers it. */
  remember(turnId: string, id: number): void {
    if (this.origins.has(turnId)) return;
    const askings = Object.values(this.desk.panel.sessions).flatMap((session) => session.askings);
    const params = askings.find((asking) => asking.id === id)?.params as ChatParams | undefined;
    const selection = params?.context?.findLast((item) => item.kind === "selection");
    if (selection) this.origins.set(turnId, selection);
  }

  /** Send what waited for the end of a turn; after a stop or a failure the person looks at it first. */
  releaseHeld(panel: Panel, before: Panel, id: string): void {
    const now = panel.sessions[id];
    const then = before.sessions[id];
    const held = panel.held[id];
    if (!held || !now || !then || now === then || isBusy(now) || !isBusy(then)) return;
    const ending = now.flights.at(-1)?.stopReason ?? now.turns.at(-1)?.stopReason;
    const failed = now.failures.length > then.failures.length;
    if (failed || ending === "cancelled" || ending === "truncated") return this.unhold(id);
    this.desk.store.act({ type: "held", sessionId: id });
    void this.ask(id, held);
  }

  /** Send the draft of the session that is shown; while a turn runs there it is held until the end. */
  async send(over: Partial<ChatParams> = {}): Promise<void> {
    const { current, drafts, sessions } = this.desk.panel;
    const draft = drafts[current] ?? NO_DRAFT;
    if (!draft.text.trim()) return;
    const question = this.questionOf(draft);
    this.desk.store.act({ type: "drafted", key: current, draft: { text: "", attached: [], pictures: [] } });
    const session = sessions[current];
    if (session && isBusy(session)) {
      const before = this.desk.panel.held[current];
      this.desk.store.act({ type: "held", sessionId: current, held: before ? joined(before, question) : question });
      return;
    }
    await this.ask(current, question, over);
  }

  /** Somebody types: what is warm is kept so, where the settings want that. Told now and then, and not where they do not. */
  typing(key: string): void {
    const now = Date.now();
    if (key === NEW || !this.mayKeep || now - this.toldTyping < TYPING_PAUSE) return;
    this.toldTyping = now;
    this.desk.host.call("cmt/cache/warm", { sessionId: key, keep: true }).then(
      ({ state }) => (this.mayKeep = state !== "off"),
      () => (this.mayKeep = false),
    );
  }

  /** Take the waiting question back into the text box. */
  unhold(sessionId: string): void {
    const held = this.desk.panel.held[sessionId];
    if (!held) return;
    const draft = this.desk.panel.drafts[sessionId] ?? NO_DRAFT;
    this.desk.store.act({ type: "held", sessionId }, { type: "drafted", key: sessionId, draft: joined(held, draft) });
  }

  private async ask(key: string, question: Held, over: Partial<ChatParams> = {}): Promise<void> {
    let sessionId: string;
    try {
      sessionId = await this.sessions.sessionFor(key);
    } catch (error) {
      this.giveBack(key, question);
      this.desk.store.act({ type: "noticed", text: bodyOf(error).message, error: true });
      return;
    }
    const params: ChatParams = { ...this.paramsOf(question), ...over, sessionId };
    await this.run(sessionId, { kind: "chat", params, question: question.text, labels: labelsOf(question), whole: question });
  }

  /** The draft with what is selected now. */
  private questionOf(draft: Draft): Held {
    const { selection, selectionOn } = this.desk.panel;
    const live = selectionOn && selection ? [{ item: selection.item, label: selection.label }] : [];
    return { text: draft.text, attached: [...draft.attached, ...live], pictures: draft.pictures };
  }

  /** The blocks that the draft of a tab would send. */
  async preview(key: string): Promise<PreviewResult> {
    const params = this.paramsOf(this.questionOf(this.desk.panel.drafts[key] ?? NO_DRAFT));
    const sessionId = await this.sessions.sessionFor(key);
    return this.desk.host.call("cmt/preview", { ...params, sessionId });
  }

  /** A question as the server takes it. */
  paramsOf(question: Held): ChatParams {
    const { effort, model } = this.desk.panel;
    const context = question.attached.map((one) => one.item);
    const images = question.pictures.filter((picture) => !picture.error).map((picture) => picture.image);
    return {
      text: question.text,
      ...(context.length ? { context } : {}),
      ...(images.length ? { images } : {}),
      ...(model ? { model } : {}),
      ...(effort ? { effort } : {}),
    };
  }

  /** What a question would cost; a new conversation gets its session first, since another one's history would count. */
  async predict(key: string, params: ChatParams): Promise<Prediction> {
    const sessionId = await this.sessions.sessionFor(key);
    return this.desk.host.call("cmt/predict", { ...params, sessionId });
  }

  /** Ask the last question again; its answer leaves the history. */
  async retry(sessionId: string, turnId: string, question: string, budgetOverride?: boolean): Promise<void> {
    const params: RetryParams = { sessionId, turnId, ...(budgetOverride ? { budgetOverride } : {}) };
    await this.run(sessionId, { kind: "retry", params, question, labels: [], replaces: turnId });
  }

  /** Send again what was refused. */
  async again(sessionId: string, failure: Failure, over: Partial<ChatParams> = {}): Promise<void> {
    const asking = failure.asking;
    if (!asking) return;
    this.desk.store.act({ type: "dismissed", sessionId, key: failure.key });
    this.takeBackIfSame(sessionId, asking.question);
    await this.run(sessionId, { ...asking, params: { ...asking.params, ...over }, turnId: undefined });
  }

  /** The draft was filled with a refused question; when that is sent from its place, the text box need not hold it. */
  private takeBackIfSame(sessionId: string, question: string): void {
    if (this.desk.panel.drafts[sessionId]?.text !== question) return;
    this.desk.store.act({ type: "drafted", key: sessionId, draft: { text: "", attached: [], pictures: [] } });
  }

  private async run(sessionId: string, asking: Omit<Asking, "id">): Promise<void> {
    const { kind, params } = asking;
    let id = 0;
    const message = kind === "chat" ? { type: kind, params: params as ChatParams } : { type: kind, params: params as RetryParams };
    try {
      const result = await this.desk.host.ask(message, (given) => {
        id = given;
        this.desk.store.act({ type: "sent", sessionId, asking: { ...asking, id } });
      });
      this.desk.store.act({ type: "answered", sessionId, id, result: result as TurnResult });
    } catch (error) {
      this.desk.store.act({ type: "answered", sessionId, id, error: bodyOf(error) });
      if (asking.whole) this.restore(sessionId, asking.whole);
    }
  }

  /** A refused question goes back into an empty text box, so that it survives whatever happens to the panel. */
  private restore(sessionId: string, question: Held): void {
    if (isEmpty(this.desk.panel.drafts[sessionId] ?? NO_DRAFT)) this.giveBack(sessionId, question);
  }

  /** Before what was written meanwhile. */
  private giveBack(key: string, question: Held): void {
    const draft = this.desk.panel.drafts[key] ?? NO_DRAFT;
    this.desk.store.act({ type: "drafted", key, draft: joined(question, draft) });
  }

  /** Go on with a refused question in a fork, where nothing else runs. */
  async forkWith(sessionId: string, failure: Failure): Promise<void> {
    const fork = await this.sessions.fork(sessionId);
    if (!fork || !failure.asking) return;
    this.desk.store.act({ type: "dismissed", sessionId, key: failure.key });
    const params = { ...(failure.asking.params as ChatParams), sessionId: fork };
    await this.run(fork, { ...failure.asking, params, turnId: undefined });
  }

  /** What the question of a turn was about, as far as this panel asked it. */
  originOf(turnId: string): ContextItem | undefined {
    return this.origins.get(turnId);
  }

  /** Stop what runs in a session. */
  async stop(sessionId: string): Promise<void> {
    await this.desk.noting(() => this.desk.host.call("cmt/cancel", { sessionId }));
  }
}

/** What went along with a question, in words. */
function labelsOf(question: Held): string[] {
  const pictures = question.pictures.map((picture) => picture.image.name ?? picture.inspection?.name ?? "picture");
  return [...question.attached.map((one) => one.label), ...pictures];
}

function joined(one: Held, other: Held): Held {
  return {
    text: [one.text, other.text].filter((text) => text.trim()).join("\n\n"),
    attached: [...one.attached, ...other.attached],
    pictures: [...one.pictures, ...other.pictures],
  };
}
