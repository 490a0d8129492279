import { useActions, usePanel } from "../context";
import { Icon } from "../icons";
import type { SessionView } from "../state/session";

/** What can be done where nothing was asked yet. */
export function Empty({ session }: { session: SessionView }) {
  const actions = useActions();
  const ready = usePanel((panel) => panel.health.state === "ready");
  const selection = usePanel((panel) => panel.selection);
  if (session.error) {
    return (
      <div class="empty" role="group" aria-label="Session">
        <p>{session.error.message}</p>
        {session.error.data?.kind === "unknown_session" ? (
          <button type="button" class="primary" onClick={() => actions.store.act({ type: "closed", sessionId: session.id })}>
            Close this tab
          </button>
        ) : (
          <button type="button" class="primary" onClick={() => void actions.sessions.load(session.id)}>
            Load again
          </button>
        )}
      </div>
    );
  }
  if (!ready || session.pending !== undefined) return null;
  const explain = (): void => actions.begin(selection ? "Explain the selected code." : "Explain what this file does.");
  return (
    <div class="empty">
      <h2>Ask Claude</h2>
      <p class="quiet">What it will cost is shown before you send.</p>
      <button type="button" onClick={explain}>
        <Icon name="selection" /> {selection ? `Explain ${selection.label}` : "Attach a file and ask about it"}
      </button>
      <button type="button" onClick={() => void actions.pictures.screenshot("region")}>
        <Icon name="camera" /> Ask about a part of the screen
      </button>
      <button type="button" onClick={() => actions.store.act({ type: "page", page: "history" })}>
        <Icon name="history" /> Go on with an earlier session
      </button>
    </div>
  );
}
