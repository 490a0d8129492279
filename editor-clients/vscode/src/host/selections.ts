// What is selected in the editor now, told to the panels when it comes to rest.

import * as vscode from "vscode";
import type { LiveSelection } from "../messages";
import { liveSelection } from "./attach";
import { showsLiveSelection } from "./settings";

/** A selection that grows with each key is told once the keys rest. */
const REST_MS = 150;

export class LiveSelections implements vscode.Disposable {
  readonly #changed = new vscode.EventEmitter<LiveSelection | null>();
  readonly onChanged = this.#changed.event;
  #timer: NodeJS.Timeout | undefined;
  #current: LiveSelection | null;
  readonly #disposables: vscode.Disposable[];

  constructor() {
    this.#current = selected();
    this.#disposables = [
      this.#changed,
      vscode.window.onDidChangeTextEditorSelection(() => this.#soon()),
      vscode.window.onDidChangeActiveTextEditor(() => this.#soon()),
      vscode.workspace.onDidChangeConfiguration((change) => change.affectsConfiguration("cmt.liveSelection") && this.#soon()),
    ];
  }

  get current(): LiveSelection | null {
    return this.#current;
  }

  dispose(): void {
    clearTimeout(this.#timer);
    vscode.Disposable.from(...this.#disposables).dispose();
  }

  #soon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), REST_MS);
  }

  #look(): void {
    // The panel itself took the focus: what was selected before still is, and is what the question is about.
    if (!vscode.window.activeTextEditor && vscode.window.visibleTextEditors.length) return;
    const next = selected();
    if (JSON.stringify(next) === JSON.stringify(this.#current)) return;
    this.#current = next;
    this.#changed.fire(next);
  }
}

function selected(): LiveSelection | null {
  return showsLiveSelection() ? liveSelection(vscode.window.activeTextEditor) : null;
}
