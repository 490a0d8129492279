import { memo } from "./memo";
import type { TurnRecord } from "../../wire";
import { useActions, usePanel } from "../context";
import { Icon, type IconName } from "../icons";
import type { Flight } from "../state/flight";
import type { Asking, Failure } from "../state/session";
import { Answer } from "./Answer";
import { FailureCard } from "./Failure";
import { endMark } from "./marks";
import { TurnPictures } from "./TurnPictures";
import { UsageLine } from "./UsageLine";
import { Waiting } from "./Waiting";

interface TurnProps {
  sessionId: string;
  /** Settled: what the server keeps of it. */
  record?: TurnRecord;
  /** Under way, or over and not settled yet. */
  flight?: Flight;
  asking?: Asking;
  position: number;
  count: number;
  /** Formatted at once and not only when it comes near. */
  eager: boolean;
  last: boolean;
  busy: boolean;
}

/** A turn from its first word on; the same element goes over from the stream to the record. */
export const Turn = memo(function Turn(props: TurnProps) {
  const { sessionId, record, flight, asking, position, count } = props;
  const id = record?.turnId ?? flight!.turnId;
  const done = record !== undefined || flight!.phase === "ended";
  const text = record?.text ?? flight!.text.text;
  const stopReason = record?.stopReason ?? flight?.stopReason;
  const mark = done && stopReason ? endMark(stopReason) : undefined;
  return (
    <section class={done ? "turn" : "turn live"} aria-labelledby={`turn-${id}`} aria-busy={!done} data-turn={id}>
      <Heading id={id} position={position} count={count} />
      <Question
        text={record?.prompt ?? asking?.question ?? flight?.question ?? ""}
        labels={record ? withoutPictures(record) : asking?.labels}
      />
      {record?.images && <TurnPictures sessionId={sessionId} turnId={id} images={record.images} busy={props.busy} />}
      <Thinking text={record?.thinking ?? flight?.thinking.text} growing={!done && !text} />
      <Answer text={text} done={done} eager={props.eager || !done} />
      {mark && <p class={`mark ${mark.tone}`}>{mark.text}</p>}
      <Notices notices={record?.notices ?? flight?.result?.notices} />
      {!done && <Waiting flight={flight!} />}
      {done && (
        <footer>
          <Figures record={record} flight={flight} />
          {record && <TurnTools sessionId={sessionId} turn={record} last={props.last} busy={props.busy} />}
        </footer>
      )}
    </section>
  );
});

/** What was attached, but the pictures, which are shown. */
function withoutPictures({ attachments, images }: TurnRecord): readonly string[] | undefined {
  return images ? attachments?.filter((label) => !label.startsWith("image/")) : attachments;
}

function Figures({ record, flight }: { record?: TurnRecord; flight?: Flight }) {
  if (record) return <UsageLine {...record} />;
  if (!flight?.usage || !flight.cost) return null;
  return <UsageLine usage={flight.usage} cost={flight.cost} cache={flight.cache} timing={flight.result?.timing} model={flight.model} />;
}

function TurnTools({ sessionId, turn, last, busy }: { sessionId: string; turn: TurnRecord; last: boolean; busy: boolean }) {
  const actions = useActions();
  return (
    <div class="tools" role="toolbar" aria-label="Turn">
      <Tool icon="copy" title="Copy answer" onClick={() => actions.host.tell({ type: "copy", text: turn.text })} />
      {last && (
        <Tool
          icon="retry"
          title="Ask again, in place of this answer"
          disabled={busy}
          onClick={() => void actions.questions.retry(sessionId, turn.turnId, turn.prompt)}
        />
      )}
      <Tool
        icon="edit"
        title="Edit the question in a branch that ends before it"
        onClick={() => void actions.sessions.branch(sessionId, turn.turnId)}
      />
      <Tool
        icon="branch"
        title="Fork: go on from here in a new session"
        onClick={() => void actions.sessions.fork(sessionId, turn.turnId)}
      />
    </div>
  );
}

export function Tool(props: { icon: IconName; title: string; disabled?: boolean; onClick: () => void }) {
  return (
    <button
      type="button"
      class="icon"
      title={props.title}
      aria-label={props.title}
      disabled={props.disabled}
      onClick={props.onClick}
    >
      <Icon name={props.icon} />
    </button>
  );
}

/** A question that the server has not taken yet. */
export function AskedTurn({ asking, position }: { asking: Asking; position: number }) {
  const id = `asked-${asking.id}`;
  return (
    <section class="turn live" aria-labelledby={`turn-${id}`} aria-busy="true">
      <Heading id={id} position={position} count={position} />
      <Question text={asking.question} labels={asking.labels} />
      <p class="waiting">Sending…</p>
    </section>
  );
}

export function FailedTurn({ sessionId, failure, position }: { sessionId: string; failure: Failure; position: number }) {
  return (
    <section class="turn" aria-labelledby={`turn-${failure.key}`}>
      <Heading id={failure.key} position={position} count={position} />
      {failure.question && <Question text={failure.question} labels={failure.asking?.labels} />}
      {failure.said && <Answer text={failure.said} done eager />}
      <FailureCard sessionId={sessionId} failure={failure} />
    </section>
  );
}

function Heading({ id, position, count }: { id: string; position: number; count: number }) {
  return (
    <h2 class="hidden" id={`turn-${id}`} tabIndex={-1}>
      {`Turn ${position} of ${count}`}
    </h2>
  );
}

function Question({ text, labels }: { text: string; labels?: readonly string[] }) {
  return (
    <div class="question">
      <p dir="auto">{text}</p>
      {labels && labels.length > 0 && (
        <ul class="labels" aria-label="Attached">
          {labels.map((label, index) => (
            <li key={index} title={label}>
              {label}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Thinking({ text, growing = false }: { text?: string; growing?: boolean }) {
  const how = usePanel((panel) => panel.config.showThinking);
  if (!text || how === "hidden") return null;
  return (
    <details class="thinking" open={how === "open"}>
      <summary>{growing ? "Thinking…" : "Thinking"}</summary>
      <div>{text}</div>
    </details>
  );
}

function Notices({ notices }: { notices?: readonly string[] }) {
  if (!notices?.length) return null;
  return (
    <ul class="notices">
      {notices.map((notice, index) => (
        <li key={index}>{notice}</li>
      ))}
    </ul>
  );
}

