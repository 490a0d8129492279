import { useEffect, useRef } from "preact/hooks";
import { useLayoutEffect } from "preact/hooks";
import { useActions, usePanel } from "../context";
import { Icon } from "../icons";
import { NameBox } from "../NameBox";
import { NEW, type Panel } from "../state/panel";
import { isBusy } from "../state/session";

/** The sessions that are open in this panel. */
export function Tabs() {
  const actions = useActions();
  const tabs = usePanel((panel) => panel.tabs);
  const current = usePanel((panel) => panel.current);
  const shown = tabs.includes(current) ? tabs : [...tabs, current];
  useLayoutEffect(() => document.getElementById(`tab-${current}`)?.scrollIntoView({ block: "nearest", inline: "nearest" }), [current]);
  const keyed = (event: KeyboardEvent): void => {
    if (event.target instanceof HTMLInputElement) return;
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const to = shown[(shown.indexOf(current) + step + shown.length) % shown.length]!;
    actions.sessions.open(to);
    document.getElementById(`tab-${to}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label="Open sessions" onKeyDown={keyed}>
      {shown.map((id) => (
        <Tab key={id} id={id} selected={id === current} />
      ))}
    </div>
  );
}

function Tab({ id, selected }: { id: string; selected: boolean }) {
  const actions = useActions();
  const name = usePanel((panel) => nameOf(panel, id));
  const busy = usePanel((panel) => {
    const session = panel.sessions[id];
    return session !== undefined && isBusy(session);
  });
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (selected) frame.current!.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [selected, name]);
  const renaming = usePanel((panel) => panel.renaming === id);
  const rename = (fresh: string): void => {
    actions.store.act({ type: "renaming" });
    if (fresh.trim() && fresh !== name) void actions.sessions.rename(id, fresh.trim());
  };
  const close = (): void => actions.store.act({ type: "closed", sessionId: id });
  if (renaming) {
    return (
      <div class="tab selected" ref={frame}>
        <NameBox name={name} done={rename} />
      </div>
    );
  }
  return (
    <div ref={frame} class={selected ? "tab selected" : "tab"} onAuxClick={(event) => event.button === 1 && close()}>
      <button
        type="button"
        id={`tab-${id}`}
        role="tab"
        aria-selected={selected}
        tabIndex={selected ? 0 : -1}
        title={name}
        onClick={() => actions.sessions.open(id)}
        onDblClick={() => id !== NEW && actions.store.act({ type: "renaming", sessionId: id })}
        onKeyDown={(event) => {
          if (event.key === "Delete") close();
          if (event.key === "F2" && id !== NEW) actions.store.act({ type: "renaming", sessionId: id });
        }}
      >
        {busy && <span class="pulse" aria-label="answering" role="img" />}
        <span class="clip">{name}</span>
      </button>
      {(id !== NEW || !selected) && (
        <button type="button" class="icon small" tabIndex={-1} aria-hidden="true" title={`Close (Delete)`} onClick={close}>
          <Icon name="close" />
        </button>
      )}
    </div>
  );
}

/** What a tab is called: the server names a session by its first question. */
export function nameOf(panel: Panel, id: string): string {
  if (id === NEW) return "New session";
  const session = panel.sessions[id];
  return session?.info?.name || session?.turns[0]?.prompt.slice(0, 60) || session?.askings[0]?.question.slice(0, 60) || "Session";
}
