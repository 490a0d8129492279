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
const actions = new Actions(store, host, keepSoon);

const kept = code.getState();
if (kept) {
  store.act({ type: "restored", state: kept });
  actions.place = kept.scroll;
}

let timer = 0;
function keepSoon(): void {
  const pictures = Object.values(store.panel.drafts).some((draft) => draft.pictures.length > 0);
  clearTimeout(timer);
  timer = window.setTimeout(keep, pictures ? REST_WITH_PICTURES : REST);
}

function keep(): void {
  code.setState(keptOf(store.panel, actions.place));
}

store.subscribe((panel, before) => {
  const event = eventIn(panel, before);
  if (event) store.act({ type: "say", text: event });
  const same = panel.drafts === before.drafts && panel.tabs === before.tabs && panel.current === before.current && panel.held === before.held;
  if (!same) keepSoon();
});
// A panel that is hidden is destroyed; what was typed a moment ago is kept first.
window.addEventListener("pagehide", keep);

window.addEventListener("message", (event: MessageEvent<FromHost>) => actions.received(event.data));
render(
  <ActionsContext.Provider value={actions}>
    <Panel />
  </ActionsContext.Provider>,
  document.getElementById("root") ?? document.body,
);
host.ready();
