// What VS Code keeps of the panel through hiding and reload: tabs, drafts and pictures that were not sent.

import type { PanelState } from "../messages";
import { isEmpty } from "./state/draft";
import type { Panel } from "./state/panel";

/** The part of the state that is nowhere else. A question that waits is a draft again, so that nothing is sent unseen. */
export function keptOf(panel: Panel, place: number | undefined): PanelState {
  const drafts: PanelState["drafts"] = {};
  for (const [key, draft] of Object.entries(panel.drafts)) {
    const held = panel.held[key];
    if (isEmpty(draft) && !held) continue;
    const text = held ? [held.text, draft.text].filter(Boolean).join("\n\n") : draft.text;
    const pictures = [...(held?.pictures ?? []), ...draft.pictures];
    drafts[key] = {
      text,
      attached: [...(held?.attached ?? []), ...draft.attached],
      images: pictures.length ? pictures.map((picture) => picture.image) : undefined,
    };
  }
  return { sessionId: panel.current, drafts, tabs: [...panel.tabs], scroll: place };
}
