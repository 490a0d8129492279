// The panel's document begins here.

import { render } from "preact";
import type { FromHost, FromPanel, PanelState } from "../messages";
import { Actions } from "./actions";
import { eventIn } from "./announce";
import { ActionsContext } from "./context";
import { Host } from "./host";
import { keptOf } from "./kept";
import { Panel } from "./Panel";
import { Store } from "./store";
import "./styles/panel.css";

declare function acquireVsCodeApi(): {
  postMessage(message: FromPanel): void;
  getState(): PanelState | undefined;
  setState(state: PanelState): void;
};

/** Milliseconds without a change before the draft is kept; longer with pictures, which are large. */
const REST = 250;
const REST_WITH_PICTURES = 1500;

const code = acquireVsCodeApi();
const store = new Store();
const host = new Host((message) => code.postMessage(message));
const actions = new Actions(store, host);

const kept = code.getState();
if (kept) store.act({ type: "restored", state: kept });

let timer = 0;
store.subscribe((panel, before) => {
  const event = eventIn(panel, before);
  if (event) store.act({ type: "say", text: event });
  if (panel.drafts === before.drafts && panel.tabs === before.tabs && panel.current === before.current && panel.held === before.held) return;
  const pictures = Object.values(panel.drafts).some((draft) => draft.pictures.length > 0);
  clearTimeout(timer);
  timer = window.setTimeout(() => code.setState(keptOf(store.panel)), pictures ? REST_WITH_PICTURES : REST);
});
// A panel that is hidden is destroyed; what was typed a moment ago is kept first.
window.addEventListener("pagehide", () => code.setState(keptOf(store.panel)));

window.addEventListener("message", (event: MessageEvent<FromHost>) => actions.received(event.data));
render(
  <ActionsContext.Provider value={actions}>
    <Panel />
  </ActionsContext.Provider>,
  document.getElementById("root") ?? document.body,
);
host.ready();
