// Sessions: fetch, make, open, fork, rename, delete, export; and the models that they may be asked.

import type { Model, Session, SessionUpdateParams } from "../../wire";
import { bodyOf } from "../host";
import { NEW } from "../state/panel";
import { FIRST_TURNS } from "../state/session";
import type { Desk } from "./desk";

export class Sessions {
  /** One creation at a time: a forecast and a question of a new tab share it. */
  private creating?: Promise<string>;

  constructor(private readonly desk: Desk) {}

  /** Fetch a session's newest turns. */
  async load(sessionId: string): Promise<void> {
    const asked = this.desk.panel.clock + 1;
    this.desk.store.act({ type: "asked", sessionId, asked });
    try {
      const result = await this.desk.host.call("cmt/session/get", { sessionId, last: FIRST_TURNS });
      this.desk.store.act({ type: "got", sessionId, asked, result });
    } catch (error) {
      this.desk.store.act({ type: "gotNot", sessionId, asked, error: bodyOf(error) });
    }
  }

  /** What the tabs are called whose sessions are not fetched before somebody looks at them. */
  async loadNames(): Promise<void> {
    await this.desk.noting(async () => {
      const { sessions } = await this.desk.host.call("cmt/session/list", { scope: "all" });
      const tabs = new Set(this.desk.panel.tabs);
      this.desk.store.act(...sessions.filter(({ id }) => tabs.has(id)).map((session) => ({ type: "renamed" as const, session })));
    });
  }

  /** Fetch the turns before those that are here. */
  async loadEarlier(sessionId: string): Promise<void> {
    const before = this.desk.panel.sessions[sessionId]?.turns[0]?.turnId;
    if (!before) return;
    await this.desk.noting(async () => {
      const result = await this.desk.host.call("cmt/session/get", { sessionId, before, last: FIRST_TURNS });
      this.desk.store.act({ type: "gotPage", sessionId, before, result });
    });
  }

  async loadModels(): Promise<void> {
    const sessionId = this.desk.panel.current === NEW ? undefined : this.desk.panel.current;
    await this.desk.noting(async () => {
      const { models } = await this.desk.host.call("cmt/models", sessionId ? { sessionId } : {});
      this.desk.store.act({ type: "models", models });
    });
  }

  /** The session of a tab, made now where the tab has none yet. */
  async sessionFor(key: string): Promise<string> {
    if (key !== NEW) return key;
    const model = this.desk.panel.model;
    this.creating ??= this.desk.host.call("cmt/session/create", model ? { model } : {}).then((session: Session) => {
      this.desk.store.act({ type: "named", from: NEW, sessionId: session.id }, { type: "renamed", session });
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
    this.desk.store.act({ type: "opened", sessionId: NEW }, { type: "focus", target: "composer" });
  }

  open(sessionId: string): void {
    this.desk.store.act({ type: "opened", sessionId });
    void this.loadModels();
  }

  /** A session of its own that goes on from a turn. */
  async fork(sessionId: string, turnId?: string): Promise<string | undefined> {
    return this.desk.noting(async () => {
      const session = await this.desk.host.call("cmt/session/fork", { sessionId, ...(turnId ? { turnId } : {}) });
      this.desk.store.act({ type: "opened", sessionId: session.id }, { type: "renamed", session });
      return session.id;
    });
  }

  /** Edit a question of the past: a fork that ends before it, with the question in the text box. */
  async branch(sessionId: string, turnId: string): Promise<void> {
    const turns = this.desk.panel.sessions[sessionId]?.turns ?? [];
    const at = turns.findIndex((turn) => turn.turnId === turnId);
    const turn = turns[at];
    if (!turn) return;
    const before = turns[at - 1];
    if (!before && this.desk.panel.sessions[sessionId]!.earlier > 0) {
      await this.loadEarlier(sessionId);
      return this.branch(sessionId, turnId);
    }
    const key = before ? await this.fork(sessionId, before.turnId) : NEW;
    if (!key) return;
    if (key === NEW) this.fresh();
    this.desk.store.act(
      { type: "drafted", key, draft: { text: turn.prompt } },
      { type: "focus", target: "composer" },
    );
  }

  async rename(sessionId: string, name: string): Promise<void> {
    await this.change({ sessionId, name });
  }

  /** Choose the model: of the session, or of the one that is about to begin. */
  async choose(model: Model): Promise<void> {
    this.desk.store.act({ type: "chose", model: model.id });
    if (this.desk.panel.current !== NEW) await this.change({ sessionId: this.desk.panel.current, model: model.id });
    await this.loadModels();
  }

  /** Change a session, as a person or an advice says, and tell what the server notes about it; answers whether it was done. */
  async change(params: SessionUpdateParams): Promise<boolean> {
    const done = await this.desk.noting(async () => {
      const session = await this.desk.host.call("cmt/session/update", params);
      this.desk.store.act({ type: "renamed", session });
      if (session.notices?.length) this.desk.store.act({ type: "noticed", text: session.notices.join(" ") });
      return true;
    });
    return done ?? false;
  }

  async remove(session: Session): Promise<void> {
    const yes = await this.desk.host.ask({
      type: "confirm",
      message: `Delete "${session.name}" for good?`,
      detail: "Its text is deleted. What it cost stays in the ledger.",
      yes: "Delete",
    });
    if (yes !== true) return;
    await this.desk.noting(async () => {
      await this.desk.host.call("cmt/session/delete", { sessionId: session.id });
      this.desk.store.act({ type: "deleted", sessionId: session.id });
    });
  }

  async export(sessionId: string, format: "markdown" | "json"): Promise<void> {
    await this.desk.noting(async () => {
      const { text, suggestedName } = await this.desk.host.call("cmt/session/export", { sessionId, format });
      await this.desk.host.ask({ type: "save", name: suggestedName, text });
    });
  }
}
