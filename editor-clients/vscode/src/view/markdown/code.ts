// A block of code: its language, what can be done with it, and colours once there is time.

import { highlighted, languageName } from "./languages";
import { sanitised } from "./render";
import { svg, type IconName } from "../icons";

/** What a button of a block does; `data-act` names it. */
export const CODE_ACTS = ["copy", "insert", "replace", "file", "wrap"] as const;
export type CodeAct = (typeof CODE_ACTS)[number];

const BUTTONS: Record<CodeAct, { title: string; icon: IconName }> = {
  copy: { title: "Copy code", icon: "copy" },
  insert: { title: "Insert at cursor", icon: "insert" },
  replace: { title: "Replace selection, through a diff", icon: "diff" },
  file: { title: "Open as new file", icon: "newFile" },
  wrap: { title: "Wrap long lines", icon: "wrap" },
};

/** Milliseconds after which colours come even where there is no idle time. */
const LATEST = 1000;

/** The language that a `pre > code` of the parser names, in a form that is safe to show. */
function languageOf(code: Element): string {
  const named = /(?:^| )language-([^ ]+)/.exec(code.className);
  return named ? named[1]!.slice(0, 30).toLowerCase() : "";
}

/** Give every block of code below `root` its bar. */
export function furnish(root: ParentNode): void {
  for (const code of root.querySelectorAll("pre > code")) {
    const pre = code.parentElement!;
    const figure = codeFigure(languageOf(code));
    pre.replaceWith(figure);
    figure.append(pre);
    pre.tabIndex = 0;
    requestIdleCallback(() => colour(figure), { timeout: LATEST });
  }
}

/** An empty block with its bar, for code that is still arriving. */
export function codeFigure(language: string): HTMLElement {
  const figure = document.createElement("figure");
  figure.className = "code";
  figure.dataset["language"] = language;
  const bar = document.createElement("figcaption");
  const label = document.createElement("span");
  label.className = "language";
  label.textContent = language ? languageName(language) : "Code";
  const tools = document.createElement("span");
  tools.className = "tools";
  tools.append(...CODE_ACTS.map(button));
  bar.append(label, tools);
  figure.append(bar);
  return figure;
}

function button(act: CodeAct): HTMLButtonElement {
  const made = document.createElement("button");
  const { title, icon } = BUTTONS[act];
  made.type = "button";
  made.className = "icon";
  made.dataset["act"] = act;
  made.title = title;
  made.setAttribute("aria-label", title);
  if (act === "wrap") made.setAttribute("aria-pressed", "false");
  made.append(svg(icon));
  return made;
}

/** The code of the block that holds an element, without its last line break. */
export function codeOf(figure: Element): string {
  return (figure.querySelector("code")?.textContent ?? "").replace(/\n$/, "");
}

function colour(figure: HTMLElement): void {
  const code = figure.querySelector("code");
  const html = code && highlighted(code.textContent ?? "", figure.dataset["language"] ?? "");
  if (html) code.replaceChildren(sanitised(html));
}
