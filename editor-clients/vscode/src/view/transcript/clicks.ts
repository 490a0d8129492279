// Clicks in answers: links and the buttons of code blocks, which are plain elements and no components.

import type { ContextItem } from "../../wire";
import type { Actions } from "../actions";
import { codeOf, type CodeAct } from "../markdown/code";

/** One listener for the whole conversation. */
export function clicked(event: Event, actions: Actions): void {
  const target = event.target instanceof Element ? event.target : null;
  const link = target?.closest<HTMLElement>("[data-href]");
  if (link) {
    event.preventDefault();
    event.stopPropagation();
    actions.host.tell({ type: "link", href: link.dataset["href"]! });
    return;
  }
  const button = event.type === "click" ? target?.closest<HTMLButtonElement>("button[data-act]") : null;
  if (button) codeAct(button, button.dataset["act"] as CodeAct, actions);
}

function codeAct(button: HTMLButtonElement, act: CodeAct, actions: Actions): void {
  const figure = button.closest<HTMLElement>("figure.code");
  if (!figure) return;
  const text = codeOf(figure);
  switch (act) {
    case "copy":
      actions.host.tell({ type: "copy", text });
      return actions.store.act({ type: "say", text: "Code copied" });
    case "insert":
      return actions.host.tell({ type: "insert", text });
    case "replace":
      return actions.host.tell({ type: "replace", text, origin: originOf(button, actions) });
    case "file":
      return actions.host.tell({ type: "newFile", text, language: figure.dataset["language"] || undefined });
    case "wrap":
      button.setAttribute("aria-pressed", String(figure.classList.toggle("wrapped")));
  }
}

/** The selection that the question was about, where this panel asked it. */
function originOf(button: Element, actions: Actions): ContextItem | undefined {
  const turnId = button.closest<HTMLElement>("[data-turn]")?.dataset["turn"];
  return turnId ? actions.questions.originOf(turnId) : undefined;
}
