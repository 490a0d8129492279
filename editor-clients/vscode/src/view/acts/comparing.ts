// One question to several models, and going on with one of the answers.

import type { ChatParams, CompareResult } from "../../wire";
import { bodyOf } from "../host";
import { isEmpty, NO_DRAFT, type Draft } from "../state/draft";
import type { Desk } from "./desk";
import type { Questions } from "./questions";
import type { Sessions } from "./sessions";

export class Comparing {
  constructor(
    private readonly desk: Desk,
    private readonly sessions: Sessions,
    private readonly questions: Questions,
  ) {}

  /** Ask several models the draft's question. */
  async ask(models: readonly string[], over: Partial<ChatParams> = {}): Promise<void> {
    const key = this.desk.panel.current;
    const draft: Draft = this.desk.panel.drafts[key] ?? NO_DRAFT;
    if (!draft.text.trim()) return;
    let asked = 0;
    try {
      const sessionId = await this.sessions.sessionFor(key);
      const params = { ...this.questions.paramsOf(draft), ...over, models: [...models], sessionId };
      const result = await this.desk.host.ask({ type: "compare", params }, (id) => {
        asked = id;
        this.desk.store.act(
          { type: "comparing", comparison: { id, sessionId, question: draft.text, models, columns: [] } },
          { type: "drafted", key: sessionId, draft: { text: "", attached: [], pictures: [] } },
        );
      });
      this.desk.store.act({ type: "compared", id: asked, result: result as CompareResult });
    } catch (error) {
      this.desk.store.act({ type: "compared", id: asked, error: bodyOf(error) });
      const there = this.desk.panel.drafts[this.desk.panel.current] ?? NO_DRAFT;
      if (isEmpty(there)) this.desk.store.act({ type: "drafted", key: this.desk.panel.current, draft: { ...draft } });
    }
  }

  /** Go on with one answer of the comparison. */
  async choose(model: string): Promise<void> {
    const one = this.desk.panel.comparison;
    if (!one?.compareId) return;
    await this.desk.noting(async () => {
      const params = { sessionId: one.sessionId, compareId: one.compareId!, model };
      const session = await this.desk.host.call("cmt/compare/choose", params);
      this.desk.store.act({ type: "comparisonClosed" }, { type: "opened", sessionId: session.id }, { type: "renamed", session });
      await this.sessions.load(session.id);
    });
  }
}
