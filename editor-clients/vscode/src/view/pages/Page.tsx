import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { RpcErrorBody } from "../../wire";
import { useActions } from "../context";
import { Tool } from "../transcript/Turn";

/** A page over the conversation: its title takes the focus, Escape goes back. */
export function Page({ title, children, tools }: { title: string; children: ComponentChildren; tools?: ComponentChildren }) {
  const actions = useActions();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current!.focus(), []);
  const back = (): void => actions.store.act({ type: "page", page: "chat" }, { type: "focus", target: "composer" });
  return (
    <section class="page" aria-label={title} onKeyDown={(event) => event.key === "Escape" && !event.defaultPrevented && back()}>
      <div class="page-head">
        <h2 ref={heading} tabIndex={-1}>
          {title}
        </h2>
        <span class="grow" />
        {tools}
        <Tool icon="close" title="Back to the conversation (Esc)" onClick={back} />
      </div>
      <div class="page-body">{children}</div>
    </section>
  );
}

/** One sentence about what could not be fetched, and the button to try again. */
export function Trouble({ error, again }: { error: RpcErrorBody; again: () => void }) {
  return (
    <div class="trouble" role="alert">
      <p>{error.message}</p>
      <button type="button" onClick={again}>
        Try again
      </button>
    </div>
  );
}
