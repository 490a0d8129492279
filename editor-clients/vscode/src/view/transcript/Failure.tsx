import { useActions, usePanel } from "../context";
import { Icon } from "../icons";
import type { ChatParams } from "../../wire";
import type { Failure } from "../state/session";
import { remedies, type Remedy } from "./marks";

/** A question that got no answer (a hint that a button says better is left out): what was wrong in one sentence, and the buttons that mend it. */
export function FailureCard({ sessionId, failure }: { sessionId: string; failure: Failure }) {
  const actions = useActions();
  const ready = usePanel((panel) => panel.health.state === "ready");
  const { error } = failure;
  const offered = remedies(error).filter((remedy) => usable(remedy, failure, ready));
  const press = (remedy: Remedy): void => mend(actions, sessionId, failure, remedy);
  return (
    <div class="failure" role="group" aria-label="Not answered">
      <p class="sentence">
        <Icon name="warning" />
        <span>
          {error.message}
          {error.data?.hint && !offered.some((remedy) => remedy.act === "allowSecrets") ? ` ${error.data.hint}` : ""}
        </span>
      </p>
      <div class="row">
        {offered.map((remedy, index) => (
          <button key={remedy.title} type="button" class={index === 0 ? "primary" : ""} onClick={() => press(remedy)}>
            {remedy.title}
          </button>
        ))}
        <button type="button" onClick={() => actions.store.act({ type: "dismissed", sessionId, key: failure.key })}>
          Dismiss
        </button>
      </div>
    </div>
  );
}

function usable(remedy: Remedy, failure: Failure, ready: boolean): boolean {
  if (remedy.act === "again") return failure.asking !== undefined && ready;
  if (remedy.act === "override") return failure.asking !== undefined;
  if (remedy.act === "fork") return failure.asking?.kind === "chat";
  // A file that cannot be read at all comes without a hint: no yes of the person helps there.
  if (remedy.act === "allowSecrets") return failure.asking?.kind === "chat" && failure.error.data?.hint !== undefined;
  if (remedy.act === "bare") return Boolean((failure.asking?.params as ChatParams | undefined)?.context?.length);
  if (remedy.act === "pictures") return Boolean((failure.asking?.params as ChatParams | undefined)?.images?.length);
  return true;
}

function mend(actions: ReturnType<typeof useActions>, sessionId: string, failure: Failure, remedy: Remedy): void {
  switch (remedy.act) {
    case "again":
      return void actions.questions.again(sessionId, failure);
    case "override":
      return void actions.questions.again(sessionId, failure, { budgetOverride: true });
    case "allowSecrets":
      return void actions.questions.again(sessionId, failure, { allowSecrets: true });
    case "pictures":
      return void actions.questions.again(sessionId, failure, { images: undefined });
    case "bare":
      return void actions.questions.again(sessionId, failure, { context: undefined });
    case "fresh":
      return actions.sessions.fresh();
    case "usage":
      return actions.store.act({ type: "page", page: "usage" });
    case "models":
      return document.querySelector<HTMLElement>("#model-button")?.click();
    case "stop":
      return void actions.questions.stop(sessionId);
    case "fork":
      return void actions.questions.forkWith(sessionId, failure);
    case "command":
      return actions.host.tell({ type: "command", command: remedy.command });
  }
}
