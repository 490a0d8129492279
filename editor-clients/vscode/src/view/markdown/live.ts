// An answer on the screen while it grows. Closed blocks are parsed once and never touched again; of the open one only
// new characters are appended, and its formatting follows a few times a second as long as it is short.

import { Blocks } from "./blocks";
import { codeFigure, furnish } from "./code";
import { rendered, type Shared } from "./render";

/** Milliseconds between two formattings of the open block. */
const PAUSE = 120;
/** Characters up to which the open block is formatted while it grows. */
const SHORT = 6000;

export class LiveMarkdown {
  private blocks = new Blocks();
  private shared: Shared = {};
  private readonly open = document.createElement("div");
  private text = "";
  private done = false;
  /** What of the open block is on the screen. */
  private shown = "";
  private tail: Text | undefined;
  private formattedAt = -Infinity;
  private kind: "prose" | "code" = "prose";

  constructor(private readonly root: HTMLElement) {
    this.open.className = "open";
    root.replaceChildren(this.open);
  }

  /** Show the text as it is now; `done` closes the last block. */
  update(text: string, done: boolean): void {
    if (this.done && text === this.text) return;
    if (this.done || !text.startsWith(this.text)) return this.restart(text, done);
    this.done = done;
    this.text = text;
    const closed = this.blocks.feed(done && !text.endsWith("\n") ? `${text}\n` : text);
    for (const source of closed) this.close(source);
    const open = this.blocks.open;
    if (done) {
      if (open.source.trim()) this.close(open.source);
      this.open.remove();
    } else {
      this.grow(open.kind, open.source);
    }
  }

  private restart(text: string, done: boolean): void {
    this.blocks = new Blocks();
    this.shared = {};
    this.text = "";
    this.done = false;
    this.clear();
    this.root.replaceChildren(this.open);
    this.update(text, done);
  }

  private close(source: string): void {
    const fragment = rendered(source, this.shared);
    furnish(fragment);
    this.open.before(fragment);
    this.clear();
  }

  private clear(): void {
    this.open.replaceChildren();
    this.shown = "";
    this.tail = undefined;
    this.formattedAt = -Infinity;
  }

  private grow(kind: "prose" | "code", source: string): void {
    if (kind !== this.kind || !source.startsWith(this.shown)) this.clear();
    this.kind = kind;
    if (source === this.shown) return;
    if (kind === "code") this.growCode(source);
    else if (this.mayFormat(source)) this.format(source);
    else this.append(source.slice(this.shown.length), this.open);
    this.shown = source;
  }

  private growCode(source: string): void {
    const head = source.indexOf("\n");
    if (head < 0) return;
    let code = this.open.querySelector("code");
    if (!code) {
      const figure = codeFigure(/^\s*[`~]+\s*([^\s`]*)/.exec(source)?.[1]?.slice(0, 30).toLowerCase() ?? "");
      code = document.createElement("code");
      const pre = document.createElement("pre");
      pre.tabIndex = 0;
      pre.append(code);
      figure.append(pre);
      this.open.append(figure);
    }
    const from = Math.max(this.shown.length, head + 1);
    this.append(source.slice(from), code);
  }

  /** A block that somebody selects in is left alone. */
  private mayFormat(source: string): boolean {
    if (source.length > SHORT || performance.now() - this.formattedAt < PAUSE) return false;
    const selection = document.getSelection();
    return !selection || selection.isCollapsed || !selection.containsNode(this.open, true);
  }

  private format(source: string): void {
    // A last line of dashes would make a heading of the paragraph for a moment.
    const steady = source.replace(/\n[ \t]*[-=*_+]{1,3}[ \t]*$/, "");
    this.open.replaceChildren(rendered(steady, this.shared));
    this.tail = lastText(this.open);
    // Markdown drops blanks at the end, and the next word may come before the block is formatted again.
    const blanks = /\s+$/.exec(steady)?.[0];
    if (blanks && this.tail) this.append(blanks, this.open);
    this.formattedAt = performance.now();
  }

  private append(text: string, parent: Element): void {
    if (!text) return;
    if (this.tail?.isConnected) this.tail.appendData(text);
    else parent.append((this.tail = document.createTextNode(text)));
  }
}

/** The text node at the very end, where the next characters go. */
function lastText(element: Element): Text | undefined {
  let node: Node | null = element;
  while (node?.lastChild) {
    node = node.lastChild;
    if (node.nodeType === Node.TEXT_NODE && !node.textContent?.trim() && node.previousSibling) node = node.previousSibling;
  }
  return node instanceof Text ? node : undefined;
}
