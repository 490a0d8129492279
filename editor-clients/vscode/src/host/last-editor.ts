// The editor in which the person worked last: what "at the cursor" means while the chat has the focus, or covers it.

import * as vscode from "vscode";
import { canBeAttached } from "./attach";

export class LastEditor implements vscode.Disposable {
  #last: vscode.TextEditor | undefined;
  readonly #listening: vscode.Disposable;

  constructor() {
    this.#remember(vscode.window.activeTextEditor);
    this.#listening = vscode.window.onDidChangeActiveTextEditor((editor) => this.#remember(editor));
  }

  dispose(): void {
    this.#listening.dispose();
  }

  /** Without showing it: it may be covered. */
  get current(): vscode.TextEditor | undefined {
    const active = vscode.window.activeTextEditor;
    if (active && canBeAttached(active.document)) return active;
    return this.#last && !this.#last.document.isClosed ? this.#last : undefined;
  }

  /** In sight and with its selections, though the chat covered it; `undefined` where there is none. */
  async shown(): Promise<vscode.TextEditor | undefined> {
    const { current } = this;
    if (!current || vscode.window.visibleTextEditors.includes(current)) return current;
    const editor = await vscode.window.showTextDocument(current.document, { viewColumn: current.viewColumn });
    editor.selections = current.selections;
    return editor;
  }

  #remember(editor: vscode.TextEditor | undefined): void {
    if (editor && canBeAttached(editor.document)) this.#last = editor;
  }
}
