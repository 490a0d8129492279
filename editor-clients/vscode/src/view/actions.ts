// What the person can do, as calls of the server and the host with their effect on the state.

import type { FromHost } from "../messages";
import type { BudgetScope, ChatParams, CompareResult, ContextItem, Image, Model, Prediction, RetryParams, Session, SessionUpdateParams, TurnResult } from "../wire";
import { bodyOf, type Host } from "./host";
import { isEmpty, NO_DRAFT, type Draft, type Picture } from "./state/draft";
import { NEW, type Held, type Panel } from "./state/panel";
import { FIRST_TURNS, isBusy, type Failure } from "./state/session";
import type { Store } from "./store";

export class Actions {
  private pictures = 0;
  /** The selection that each question was about, for changing it through a diff. */
  private readonly origins = new Map<string, ContextItem>();
  /** One creation of a session at a time: two questions of a new tab share it. */
  private creating?: Promise<string>;

  constructor(
    readonly store: Store,
    readonly host: Host,
  ) {
    store.subscribe((panel, before) => this.follow(panel, before));
  }

  private get panel(): Panel {
    return this.store.panel;
  }

  /** A message of the host. Deltas wait for the frame; what the person asked for does not. */
  received(message: FromHost): void {
    if (message.type === "reply") return this.host.replied(message.id, message);
    this.store.receive(message);
    if (message.type === "stream" && message.id !== undefined) this.remember(message.value.turnId, message.id);
    if (message.type === "attach" && message.send) queueMicrotask(() => void this.send());
    if (message.type === "attachImages") for (const image of message.images) void this.addPicture(image);
  }

  private remember(turnId: string, id: number): void {
    if (this.origins.has(turnId)) return;
    const askings = Object.values(this.panel.sessions).flatMap((session) => session.askings);
    const params = askings.find((asking) => asking.id === id)?.params as ChatParams | undefined;
    const selection = params?.context?.findLast((item) => item.kind === "selection");
    if (selection) this.origins.set(turnId, selection);
  }

  /** Fetch what is known to be missing, and send what waited for the end of a turn. */
  private follow(panel: Panel, before: Panel): void {
    const session = panel.sessions[panel.current];
    const able = panel.connected && panel.health.state === "ready";
    if (able && session?.wanted && session.pending === undefined && !session.error) void this.load(session.id);
    if (able && !(before.connected && before.health.state === "ready")) {
      this.inspectAll();
      void this.loadModels();
      if (panel.tabs.some((tab) => tab !== NEW && tab !== panel.current)) void this.loadNames();
    }
    for (const id of Object.keys(panel.held)) this.releaseHeld(panel, before, id);
  }

  private releaseHeld(panel: Panel, before: Panel, id: string): void {
    const now = panel.sessions[id];
    const then = before.sessions[id];
    const held = panel.held[id];
    if (!held || !now || !then || now === then || isBusy(now) || !isBusy(then)) return;
    const ending = now.flights.at(-1)?.stopReason ?? now.turns.at(-1)?.stopReason;
    const failed = now.failures.length > then.failures.length;
    if (failed || ending === "cancelled" || ending === "truncated") return this.unhold(id);
    this.store.act({ type: "held", sessionId: id });
    void this.ask(id, held);
  }

  /** Fetch a session's newest turns. */
  async load(sessionId: string): Promise<void> {
    const asked = this.panel.clock + 1;
    this.store.act({ type: "asked", sessionId, asked });
    try {
      const result = await this.host.call("cmt/session/get", { sessionId, last: FIRST_TURNS });
      this.store.act({ type: "got", sessionId, asked, result });
    } catch (error) {
      this.store.act({ type: "gotNot", sessionId, asked, error: bodyOf(error) });
    }
  }

  /** What the tabs are called whose sessions are not fetched before somebody looks at them. */
  private async loadNames(): Promise<void> {
    await this.noting(async () => {
      const { sessions } = await this.host.call("cmt/session/list", { scope: "all" });
      const tabs = new Set(this.panel.tabs);
      this.store.act(...sessions.filter(({ id }) => tabs.has(id)).map((session) => ({ type: "renamed" as const, session })));
    });
  }

  /** Fetch the turns before those that are here. */
  async loadEarlier(sessionId: string): Promise<void> {
    const before = this.panel.sessions[sessionId]?.turns[0]?.turnId;
    if (!before) return;
    await this.noting(async () => {
      const result = await this.host.call("cmt/session/get", { sessionId, before, last: FIRST_TURNS });
      this.store.act({ type: "gotPage", sessionId, before, result });
    });
  }

  async loadModels(): Promise<void> {
    const sessionId = this.panel.current === NEW ? undefined : this.panel.current;
    await this.noting(async () => {
      const { models } = await this.host.call("cmt/models", sessionId ? { sessionId } : {});
      this.store.act({ type: "models", models });
    });
  }

  /** Send the draft of the session that is shown; while a turn runs there it is held until the end. */
  async send(over: Partial<ChatParams> = {}): Promise<void> {
    const { current, drafts, sessions, selection, selectionOn } = this.panel;
    const draft = drafts[current] ?? NO_DRAFT;
    if (!draft.text.trim()) return;
    const live = selectionOn && selection ? [{ item: selection.item, label: selection.label }] : [];
    const question: Held = { text: draft.text, attached: [...draft.attached, ...live], pictures: draft.pictures };
    this.store.act({ type: "drafted", key: current, draft: { text: "", attached: [], pictures: [] } });
    const session = sessions[current];
    if (session && isBusy(session)) {
      const before = this.panel.held[current];
      this.store.act({ type: "held", sessionId: current, held: before ? joined(before, question) : question });
      return;
    }
    await this.ask(current, question, over);
  }

  /** Take the waiting question back into the text box. */
  unhold(sessionId: string): void {
    const held = this.panel.held[sessionId];
    if (!held) return;
    const draft = this.panel.drafts[sessionId] ?? NO_DRAFT;
    this.store.act({ type: "held", sessionId }, { type: "drafted", key: sessionId, draft: joined(held, draft) });
  }

  private async ask(key: string, question: Held, over: Partial<ChatParams> = {}): Promise<void> {
    let sessionId: string;
    try {
      sessionId = await this.sessionFor(key);
    } catch (error) {
      this.giveBack(key, question);
      this.store.act({ type: "noticed", text: bodyOf(error).message, error: true });
      return;
    }
    const params: ChatParams = { ...this.paramsOf(question), ...over, sessionId };
    const labels = [...question.attached.map((one) => one.label), ...question.pictures.map(nameOf)];
    await this.run(sessionId, "chat", params, question.text, labels);
  }

  /** A question as the server takes it. */
  paramsOf(question: Held): ChatParams {
    const { effort } = this.panel;
    const context = question.attached.map((one) => one.item);
    const images = question.pictures.filter((picture) => !picture.error).map((picture) => picture.image);
    return {
      text: question.text,
      ...(context.length ? { context } : {}),
      ...(images.length ? { images } : {}),
      ...(effort ? { effort } : {}),
    };
  }

  /** What a question would cost; a new conversation gets its session first, since another one's history would count. */
  async predict(key: string, params: ChatParams): Promise<Prediction> {
    const sessionId = await this.sessionFor(key);
    return this.host.call("cmt/predict", { ...params, sessionId });
  }

  /** Ask the last question again; its answer leaves the history. */
  async retry(sessionId: string, turnId: string, question: string, budgetOverride?: boolean): Promise<void> {
    const params: RetryParams = { sessionId, turnId, ...(budgetOverride ? { budgetOverride } : {}) };
    await this.run(sessionId, "retry", params, question, [], turnId);
  }

  /** Send again what was refused. */
  async again(sessionId: string, failure: Failure, over: Partial<ChatParams> = {}): Promise<void> {
    const asking = failure.asking;
    if (!asking) return;
    this.store.act({ type: "dismissed", sessionId, key: failure.key });
    this.takeBackIfSame(sessionId, asking.question);
    await this.run(sessionId, asking.kind, { ...asking.params, ...over }, asking.question, [...asking.labels], asking.replaces);
  }

  /** The draft was filled with a refused question; when that is sent from its place, the text box need not hold it. */
  private takeBackIfSame(sessionId: string, question: string): void {
    if (this.panel.drafts[sessionId]?.text !== question) return;
    this.store.act({ type: "drafted", key: sessionId, draft: { text: "", attached: [], pictures: [] } });
  }

  private async run(
    sessionId: string,
    kind: "chat" | "retry",
    params: ChatParams | RetryParams,
    question: string,
    labels: string[],
    replaces?: string,
  ): Promise<void> {
    let id = 0;
    const message =
      kind === "chat"
        ? { type: kind, params: params as ChatParams }
        : { type: kind, params: params as RetryParams };
    try {
      const result = await this.host.ask(message, (given) => {
        id = given;
        this.store.act({ type: "sent", sessionId, asking: { id, kind, question, labels, params, replaces } });
      });
      this.store.act({ type: "answered", sessionId, id, result: result as TurnResult });
    } catch (error) {
      this.store.act({ type: "answered", sessionId, id, error: bodyOf(error) });
      if (kind === "chat") this.restore(sessionId, params as ChatParams, labels);
    }
  }

  /** A refused question goes back into an empty text box, so that it survives whatever happens to the panel. */
  private restore(sessionId: string, params: ChatParams, labels: string[]): void {
    if (!isEmpty(this.panel.drafts[sessionId] ?? NO_DRAFT)) return;
    const attached = (params.context ?? []).map((item, index) => ({ item, label: labels[index] ?? item.kind }));
    this.store.act({ type: "drafted", key: sessionId, draft: { text: params.text, attached } });
    if (params.images) for (const image of params.images) void this.addPicture(image, sessionId);
  }

  private giveBack(key: string, question: Held): void {
    const draft = this.panel.drafts[key] ?? NO_DRAFT;
    this.store.act({ type: "drafted", key, draft: joined(question, draft) });
  }

  /** Go on with a refused question in a fork, where nothing else runs. */
  async forkWith(sessionId: string, failure: Failure): Promise<void> {
    const fork = await this.fork(sessionId);
    if (!fork || !failure.asking) return;
    this.store.act({ type: "dismissed", sessionId, key: failure.key });
    const params = { ...(failure.asking.params as ChatParams), sessionId: fork };
    await this.run(fork, "chat", params, failure.question, [...failure.asking.labels]);
  }

  /** Put a first question into the text box; without a selection a file is chosen for it. */
  begin(text: string): void {
    if (!this.panel.selection) void this.pickFiles();
    this.store.act(
      { type: "drafted", key: this.panel.current, draft: { text } },
      { type: "focus", target: "composer" },
    );
  }

  /** What the question of a turn was about, as far as this panel asked it. */
  originOf(turnId: string): ContextItem | undefined {
    return this.origins.get(turnId);
  }

  /** Stop what runs in a session. */
  async stop(sessionId: string): Promise<void> {
    await this.noting(() => this.host.call("cmt/cancel", { sessionId }));
  }

  /** The session of a tab, made now where the tab has none yet. */
  async sessionFor(key: string): Promise<string> {
    if (key !== NEW) return key;
    const model = this.panel.model;
    this.creating ??= this.host.call("cmt/session/create", model ? { model } : {}).then((session: Session) => {
      this.store.act({ type: "named", from: NEW, sessionId: session.id }, { type: "renamed", session });
      return session.id;
    });
    try {
      return await this.creating;
    } finally {
      this.creating = undefined;
    }
  }

  /** A conversation of its own; the server makes a session of it with the first question. */
  fresh(): void {
    this.store.act({ type: "opened", sessionId: NEW }, { type: "focus", target: "composer" });
  }

  open(sessionId: string): void {
    this.store.act({ type: "opened", sessionId });
    void this.loadModels();
  }

  /** A session of its own that goes on from a turn. */
  async fork(sessionId: string, turnId?: string): Promise<string | undefined> {
    return this.noting(async () => {
      const session = await this.host.call("cmt/session/fork", { sessionId, ...(turnId ? { turnId } : {}) });
      this.store.act({ type: "opened", sessionId: session.id }, { type: "renamed", session });
      return session.id;
    });
  }

  /** Edit a question of the past: a fork that ends before it, with the question in the text box. */
  async branch(sessionId: string, turnId: string): Promise<void> {
    const turns = this.panel.sessions[sessionId]?.turns ?? [];
    const at = turns.findIndex((turn) => turn.turnId === turnId);
    const turn = turns[at];
    if (!turn) return;
    const before = turns[at - 1];
    if (!before && this.panel.sessions[sessionId]!.earlier > 0) {
      await this.loadEarlier(sessionId);
      return this.branch(sessionId, turnId);
    }
    const key = before ? await this.fork(sessionId, before.turnId) : NEW;
    if (!key) return;
    if (key === NEW) this.fresh();
    this.store.act(
      { type: "drafted", key, draft: { text: turn.prompt } },
      { type: "focus", target: "composer" },
    );
  }

  async rename(sessionId: string, name: string): Promise<void> {
    await this.update(sessionId, { name });
  }

  /** Choose the model: of the session, or of the one that is about to begin. */
  async choose(model: Model): Promise<void> {
    this.store.act({ type: "chose", model: model.id });
    if (this.panel.current !== NEW) await this.update(this.panel.current, { model: model.id });
    await this.loadModels();
  }

  private async update(sessionId: string, change: { name?: string; model?: string }): Promise<void> {
    await this.change({ sessionId, ...change });
  }

  /** Change a session, as a person or an advice says, and tell what the server notes about it. */
  async change(params: SessionUpdateParams): Promise<void> {
    await this.noting(async () => {
      const session = await this.host.call("cmt/session/update", params);
      this.store.act({ type: "renamed", session });
      if (session.notices?.length) this.store.act({ type: "noticed", text: session.notices.join(" ") });
    });
  }

  /** Set a limit, or remove it; answers whether it was taken. */
  async setBudget(scope: BudgetScope, limitUsd: number | null, warnAt?: number[]): Promise<boolean> {
    const set = await this.noting(() => this.host.call("cmt/budget/set", { scope, limitUsd, ...(warnAt ? { warnAt } : {}) }));
    return set !== undefined;
  }

  copy(text: string, said: string): void {
    this.host.tell({ type: "copy", text });
    this.store.act({ type: "say", text: said });
  }

  async remove(session: Session): Promise<void> {
    const yes = await this.host.ask({
      type: "confirm",
      message: `Delete "${session.name}" for good?`,
      detail: "Its text is deleted. What it cost stays in the ledger.",
      yes: "Delete",
    });
    if (yes !== true) return;
    await this.noting(async () => {
      await this.host.call("cmt/session/delete", { sessionId: session.id });
      this.store.act({ type: "deleted", sessionId: session.id });
    });
  }

  async export(sessionId: string, format: "markdown" | "json"): Promise<void> {
    await this.noting(async () => {
      const { text, suggestedName } = await this.host.call("cmt/session/export", { sessionId, format });
      await this.host.ask({ type: "save", name: suggestedName, text });
    });
  }

  /** Put a picture into the draft and find out what it would be and cost. */
  async addPicture(image: Image, key = this.panel.current, known?: Picture["inspection"]): Promise<void> {
    const picture: Picture = { key: `picture-${Date.now()}-${++this.pictures}`, image, inspection: known };
    this.store.act({ type: "picture", key, picture });
    if (!known && !image.handle) await this.inspect(picture, key);
  }

  /** Pictures that came back with the draft, or that were attached before the server could look at them. */
  private inspectAll(): void {
    for (const [key, draft] of Object.entries(this.panel.drafts)) {
      for (const picture of draft.pictures) if (!picture.inspection && !picture.image.handle) void this.inspect(picture, key);
    }
  }

  /** Look at a picture again, such as after another model was chosen. */
  async inspect(picture: Picture, key: string): Promise<void> {
    const { path, data, name } = picture.image;
    const model = this.modelOf(key);
    const params = { ...(path ? { path } : { data }), ...(name ? { name } : {}), ...(model ? { model } : {}) };
    const seen = await this.host.call("cmt/image/inspect", params).then(
      (inspection) => ({ inspection, error: undefined }),
      (error: unknown) => ({ inspection: undefined, error: bodyOf(error) }),
    );
    const there = this.panel.drafts[key]?.pictures.some((one) => one.key === picture.key);
    if (there) this.store.act({ type: "picture", key, picture: { ...picture, ...seen } });
  }

  async screenshot(what: "screen" | "window" | "region"): Promise<void> {
    await this.noting(async () => {
      const held = await this.host.call("cmt/screenshot/take", { what });
      await this.addPicture({ handle: held.handle, name: held.image.name }, this.panel.current, held.image);
    });
  }

  async clipboardPicture(): Promise<void> {
    await this.noting(async () => {
      const held = await this.host.call("cmt/image/clipboard", {});
      await this.addPicture({ handle: held.handle, name: held.image.name }, this.panel.current, held.image);
    });
  }

  async pickPictures(): Promise<void> {
    const images = await this.noting(() => this.host.ask({ type: "pickImages" }));
    for (const image of (images as Image[] | undefined) ?? []) void this.addPicture(image);
  }

  async pickFiles(): Promise<void> {
    const picked = await this.noting(() => this.host.ask({ type: "pickFiles" }));
    if (Array.isArray(picked)) this.store.act({ type: "attached", key: this.panel.current, attached: picked });
  }

  /** Ask several models the draft's question. */
  async compare(models: readonly string[], over: Partial<ChatParams> = {}): Promise<void> {
    const key = this.panel.current;
    const draft: Draft = this.panel.drafts[key] ?? NO_DRAFT;
    if (!draft.text.trim()) return;
    let asked = 0;
    try {
      const sessionId = await this.sessionFor(key);
      const params = { ...this.paramsOf(draft), ...over, models: [...models], sessionId };
      const result = await this.host.ask({ type: "compare", params }, (id) => {
        asked = id;
        this.store.act(
          { type: "comparing", comparison: { id, sessionId, question: draft.text, models, columns: [] } },
          { type: "drafted", key: sessionId, draft: { text: "", attached: [], pictures: [] } },
        );
      });
      this.store.act({ type: "compared", id: asked, result: result as CompareResult });
    } catch (error) {
      this.store.act({ type: "compared", id: asked, error: bodyOf(error) });
      const there = this.panel.drafts[this.panel.current] ?? NO_DRAFT;
      if (isEmpty(there)) this.store.act({ type: "drafted", key: this.panel.current, draft: { ...draft } });
    }
  }

  /** Go on with one answer of the comparison. */
  async pickAnswer(model: string): Promise<void> {
    const one = this.panel.comparison;
    if (!one?.compareId) return;
    await this.noting(async () => {
      const params = { sessionId: one.sessionId, compareId: one.compareId!, model };
      const session = await this.host.call("cmt/compare/choose", params);
      this.store.act({ type: "comparisonClosed" }, { type: "opened", sessionId: session.id }, { type: "renamed", session });
      await this.load(session.id);
    });
  }

  /** The model that the next question of a tab goes to. */
  modelOf(key: string): string | undefined {
    const { model, models, current, sessions } = this.panel;
    const chosen = key === current ? model : undefined;
    return chosen ?? sessions[key]?.info?.model ?? models.find((one) => one.default)?.id;
  }

  /** Do something and tell the person where it fails. */
  private async noting<T>(what: () => Promise<T>): Promise<T | undefined> {
    try {
      return await what();
    } catch (error) {
      this.store.act({ type: "noticed", text: bodyOf(error).message, error: true });
      return undefined;
    }
  }
}

function nameOf(picture: Picture): string {
  return picture.image.name ?? picture.inspection?.name ?? "picture";
}

function joined(one: Held, other: Held): Held {
  return {
    text: [one.text, other.text].filter((text) => text.trim()).join("\n\n"),
    attached: [...one.attached, ...other.attached],
    pictures: [...one.pictures, ...other.pictures],
  };
}
