import { useCallback, useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { useActions, usePanel } from "../context";
import { Icon } from "../icons";
import { NO_DRAFT } from "../state/draft";
import { isBusy } from "../state/session";
import { AttachMenu } from "./AttachMenu";
import { Chips } from "./Chips";
import { Effort } from "./Effort";
import { Forecast } from "./Forecast";
import { HeldQuestion } from "./HeldQuestion";
import { ModelPicker } from "./ModelPicker";
import { Pictures } from "./Pictures";
import { pasted, useDrop } from "./transfer";

/** Where the next question is written. It reads nothing of the transcript, so that a key press renders nothing of it. */
export function Composer() {
  const form = useRef<HTMLFormElement>(null);
  const over = useDrop(form);
  return (
    <form
      class={over ? `composer over ${over}` : "composer"}
      ref={form}
      aria-label="Question"
      onSubmit={(event) => event.preventDefault()}
    >
      <HeldQuestion />
      <Notice />
      <div class="box">
        <Chips />
        <Pictures />
        <TextBox />
        <div class="bar">
          <AttachMenu />
          <ModelPicker />
          <Effort />
          <span class="grow" />
          <SendOrStop />
        </div>
      </div>
      <Forecast />
      {over && (
        <div class="drop-hint" role="status">
          {over === "shift" ? "Drop to attach" : "Hold Shift to drop here, or paste"}
        </div>
      )}
    </form>
  );
}

/** The text box is the browser's own: the state follows it, and sets it only where something else changed the draft. */
function TextBox() {
  const actions = useActions();
  const box = useRef<HTMLTextAreaElement>(null);
  const current = usePanel((panel) => panel.current);
  const version = usePanel((panel) => panel.drafts[panel.current]?.version ?? 0);
  const focus = usePanel((panel) => panel.focus);
  const sendOnEnter = usePanel((panel) => panel.config.sendOnEnter);
  const fit = useCallback(() => grow(box.current!), []);
  useLayoutEffect(() => {
    const text = actions.store.panel.drafts[current]?.text ?? "";
    if (box.current!.value !== text) box.current!.value = text;
    fit();
  }, [current, version]);
  useEffect(() => {
    if (focus.target === "composer") box.current!.focus();
  }, [focus]);
  const keyed = (event: KeyboardEvent): void => {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Escape") return stopped(event);
    if (event.key !== "Enter" || event.shiftKey || event.altKey) return;
    if (!sendOnEnter && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    void actions.questions.send();
  };
  const stopped = (event: KeyboardEvent): void => {
    const session = actions.store.panel.sessions[current];
    if (!session || !isBusy(session)) return;
    event.preventDefault();
    void actions.questions.stop(current);
  };
  return (
    <textarea
      ref={box}
      rows={1}
      dir="auto"
      aria-label="Ask Claude"
      placeholder={sendOnEnter ? "Ask Claude" : "Ask Claude (Ctrl+Enter sends)"}
      title={sendOnEnter ? "Enter sends, Shift+Enter begins a new line" : "Ctrl+Enter sends, Enter begins a new line"}
      spellcheck
      onInput={(event) => {
        actions.store.act({ type: "typed", key: current, text: event.currentTarget.value });
        fit();
        actions.questions.typing(current);
      }}
      onKeyDown={keyed}
      onPaste={(event) => pasted(event, actions)}
    />
  );
}

/** As high as its text, up to the limit of the style sheet. Where the browser does that by itself, nothing is measured. */
const sizesItself = CSS.supports("field-sizing", "content");

function grow(box: HTMLTextAreaElement): void {
  if (sizesItself) return;
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
}

function SendOrStop() {
  const actions = useActions();
  const current = usePanel((panel) => panel.current);
  const busy = usePanel((panel) => {
    const session = panel.sessions[panel.current];
    return session !== undefined && isBusy(session);
  });
  const ready = usePanel((panel) => panel.health.state === "ready");
  const blank = usePanel((panel) => !(panel.drafts[panel.current] ?? NO_DRAFT).text.trim());
  return (
    <>
      {busy && (
        <button type="button" class="stop" title="Stop (Esc)" aria-label="Stop" onClick={() => void actions.questions.stop(current)}>
          <Icon name="stop" />
        </button>
      )}
      <button
        type="button"
        class="send"
        title={busy ? "Send when this answer is finished" : "Send"}
        aria-label={busy ? "Send when this answer is finished" : "Send"}
        disabled={blank || !ready}
        onClick={() => void actions.questions.send()}
      >
        <Icon name="arrowUp" />
      </button>
    </>
  );
}

function Notice() {
  const actions = useActions();
  const notice = usePanel((panel) => panel.notice);
  if (!notice) return null;
  return (
    <p class={notice.error ? "notice error" : "notice"} role="status">
      <span>{notice.text}</span>
      <button type="button" class="icon" aria-label="Dismiss" onClick={() => actions.store.act({ type: "noticed" })}>
        <Icon name="close" />
      </button>
    </p>
  );
}

