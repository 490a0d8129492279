// What is selected in the editor now, told to the panels when it comes to rest.

import * as vscode from "vscode";
import type { LiveSelection } from "../messages";
import { liveSelection } from "./attach";
import { showsLiveSelection } from "./settings";

/** A selection that grows with each key is told once the keys rest. */
const REST_MS = 150;

export class LiveSelections implements vscode.Disposable {
  current: LiveSelection | null = null;
  #timer: NodeJS.Timeout | undefined;
  readonly #tell: (selection: LiveSelection | null) => void;
  readonly #disposables: vscode.Disposable[];

  constructor(tell: (selection: LiveSelection | null) => void) {
    this.#tell = tell;
    this.#disposables = [
      vscode.window.onDidChangeTextEditorSelection(() => this.#soon()),
      vscode.window.onDidChangeActiveTextEditor(() => this.#soon()),
      vscode.workspace.onDidChangeConfiguration((change) => change.affectsConfiguration("cmt.liveSelection") && this.#soon()),
    ];
    this.#look();
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
    const editor = vscode.window.activeTextEditor;
    // The panel itself took the focus: what was selected before still is, and is what the question is about.
    if (!editor && vscode.window.visibleTextEditors.length) return;
    const next = showsLiveSelection() ? liveSelection(editor) : null;
    if (JSON.stringify(next) === JSON.stringify(this.current)) return;
    this.current = next;
    this.#tell(next);
  }
}
