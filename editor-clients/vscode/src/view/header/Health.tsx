import { useActions, usePanel } from "../context";
import { Icon } from "../icons";

/** What is wrong with the server, in one sentence with its buttons; nothing while all is well. */
export function Health() {
  const actions = useActions();
  const health = usePanel((panel) => panel.health);
  const connected = usePanel((panel) => panel.connected);
  if (!connected) return <p class="health quiet">Connecting to the extension…</p>;
  const noKey = health.state === "ready" && health.key === false;
  if (health.state === "ready" && !noKey && !health.message) return null;
  const message = health.message || (noKey ? "No API key is set." : health.state === "starting" ? "The server is starting…" : "The server is not running.");
  const mend = health.mend.length || !noKey ? health.mend : [{ title: "Set API key", command: "cmt.setKey" }];
  return (
    <div class={`health ${health.state}`} role="status">
      <p>
        {health.state === "starting" ? <span class="pulse" aria-hidden="true" /> : <Icon name="warning" />}
        <span>{message}</span>
      </p>
      {mend.length > 0 && (
        <div class="row">
          {mend.map((one, index) => (
            <button
              key={one.title}
              type="button"
              class={index === 0 ? "primary" : ""}
              onClick={() => actions.host.tell({ type: "command", command: one.command, args: one.args })}
            >
              {one.title}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
