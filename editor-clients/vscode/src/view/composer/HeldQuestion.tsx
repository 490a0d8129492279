import { useActions, usePanel } from "../context";
import { Icon } from "../icons";

/** The question that is sent when the running answer is finished. */
export function HeldQuestion() {
  const actions = useActions();
  const current = usePanel((panel) => panel.current);
  const held = usePanel((panel) => panel.held[panel.current]);
  if (!held) return null;
  return (
    <div class="held" role="group" aria-label="Waits for the answer">
      <span class="quiet">Next:</span>
      <span class="text" title={held.text}>
        {held.text}
      </span>
      <button type="button" class="icon" title="Edit" aria-label="Edit the waiting question" onClick={() => actions.questions.unhold(current)}>
        <Icon name="edit" />
      </button>
      <button
        type="button"
        class="icon"
        title="Do not send it"
        aria-label="Do not send the waiting question"
        onClick={() => actions.store.act({ type: "held", sessionId: current })}
      >
        <Icon name="close" />
      </button>
    </div>
  );
}
