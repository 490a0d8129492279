import type { Attached } from "../../messages";
import { useActions, usePanel } from "../context";
import { Icon } from "../icons";
import { attachedKey, NO_DRAFT } from "../state/draft";
import { tokens } from "../words";

/** What goes along with the question: attached code, and what is selected now. */
export function Chips() {
  const actions = useActions();
  const current = usePanel((panel) => panel.current);
  const attached = usePanel((panel) => (panel.drafts[panel.current] ?? NO_DRAFT).attached);
  const selection = usePanel((panel) => panel.selection);
  const on = usePanel((panel) => panel.selectionOn);
  const pinned = usePanel((panel) => panel.sessions[panel.current]?.info?.pinned);
  if (!attached.length && !selection && !pinned?.length) return null;
  const remove = (gone: Attached): void =>
    actions.store.act({ type: "drafted", key: actions.store.panel.current, draft: { attached: attached.filter((one) => one !== gone) } });
  const pin = async (one: Attached): Promise<void> => {
    const sessionId = await actions.sessions.sessionFor(current);
    if (await actions.sessions.change({ sessionId, pin: [one.item] })) remove(one);
  };
  return (
    <ul class="chips" aria-label="Goes along with the question">
      {pinned?.map((pin) => (
        <li key={pin.id} class={`chip pinned ${pin.state}`} title={pin.reason ?? `Pinned: goes along with every question`}>
          <span class="name">{pin.title}</span>
          <span class="quiet">{tokens(pin.tokens)}</span>
          <button type="button" class="icon small" aria-label={`Unpin ${pin.title}`} title="Unpin" onClick={() => void actions.sessions.change({ sessionId: current, unpin: [pin.id] })}>
            <Icon name="close" />
          </button>
        </li>
      ))}
      {attached.map((one) => (
        <li key={attachedKey(one)} class="chip">
          <button type="button" class="name" title={`Show ${one.label}`} onClick={() => actions.host.tell({ type: "reveal", item: one.item })}>
            {one.label}
          </button>
          {one.tokens !== undefined && <span class="quiet">{tokens(one.tokens)}</span>}
          <button type="button" class="icon small" aria-label={`Pin ${one.label}`} title="Pin: goes along with every question of this session" onClick={() => void pin(one)}>
            <Icon name="pin" />
          </button>
          <button type="button" class="icon small" aria-label={`Remove ${one.label}`} onClick={() => remove(one)}>
            <Icon name="close" />
          </button>
        </li>
      ))}
      {selection && (
        <li class={on ? "chip live" : "chip live off"}>
          <button
            type="button"
            class="name"
            aria-pressed={on}
            title={on ? "The selection goes along; press to leave it out" : "The selection is left out; press to send it along"}
            onClick={() => actions.store.act({ type: "selectionOn", on: !on })}
          >
            <Icon name="selection" />
            {selection.label}
          </button>
        </li>
      )}
    </ul>
  );
}
