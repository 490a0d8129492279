// The panels of this window: the view in the side bar and any number of editor tabs, all showing the same server.

import * as vscode from "vscode";
import type { FromHost, FromPanel, PanelState } from "../messages";
import type { Asker } from "./flights";
import { newNonce, page } from "./page";

/** The view in the secondary side bar, and the one in the activity bar where there is no such bar. */
export const VIEWS = ["cmt.chat", "cmt.chatPrimary"] as const;
const EDITOR = "cmt.chatEditor";
const OPEN_LIMIT_MS = 20_000;
const LATE = "The chat did not come up: open it from the side bar, or reload the window.";

/** One live document that shows a session. */
export class Panel {
  life = 0;
  /** Whether the document said that it listens. */
  listens = false;

  constructor(
    readonly number: number,
    readonly webview: vscode.Webview,
    /** The session it was opened for. */
    readonly sessionId: string | undefined,
    readonly reveal: () => void,
    readonly isVisible: () => boolean,
  ) {}

  get asker(): Asker {
    return { panel: this.number, life: this.life };
  }

  post(message: FromHost): void {
    if (this.listens) void this.webview.postMessage(message);
  }
}

export type OnMessage = (panel: Panel, message: FromPanel) => void;

export class Panels implements vscode.Disposable, vscode.WebviewViewProvider, vscode.WebviewPanelSerializer<PanelState> {
  readonly #open = new Set<Panel>();
  readonly #disposables: vscode.Disposable[] = [];
  #numbers = 0;
  readonly #waiting = new Set<(panel: Panel) => void>();

  constructor(
    readonly root: vscode.Uri,
    readonly onMessage: OnMessage,
  ) {
    for (const view of VIEWS) this.#disposables.push(vscode.window.registerWebviewViewProvider(view, this));
    this.#disposables.push(vscode.window.registerWebviewPanelSerializer(EDITOR, this));
  }

  get all(): readonly Panel[] {
    return [...this.#open];
  }

  broadcast(message: FromHost): void {
    for (const panel of this.#open) panel.post(message);
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    const panel = this.#add(view.webview, undefined, () => view.show(false), () => view.visible);
    view.onDidChangeVisibility(() => this.#visibility(panel), undefined, this.#disposables);
    view.onDidDispose(() => this.#remove(panel));
  }

  async deserializeWebviewPanel(editor: vscode.WebviewPanel, state: PanelState | undefined): Promise<void> {
    this.#adopt(editor, state?.sessionId);
  }

  /** Show a session in an editor tab. */
  openEditor(sessionId: string | undefined, title: string): void {
    const options = { enableFindWidget: true, ...this.#webviewOptions() };
    this.#adopt(vscode.window.createWebviewPanel(EDITOR, title, vscode.ViewColumn.Active, options), sessionId);
  }

  /** A panel that listens: the one in sight, or the view, which is shown. */
  async shown(): Promise<Panel> {
    const listening = this.all.filter((panel) => panel.listens);
    const panel = listening.find((one) => one.isVisible());
    if (panel) {
      panel.reveal();
      return panel;
    }
    const arrives = this.#next();
    await vscode.commands.executeCommand(`${this.#view()}.focus`);
    return arrives;
  }

  /** The panel that listens next. */
  #next(): Promise<Panel> {
    return new Promise((done, fail) => {
      const settle = (act: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(hear);
        act();
      };
      const hear = (panel: Panel) => settle(() => done(panel));
      const timer = setTimeout(() => settle(() => fail(new Error(LATE))), OPEN_LIMIT_MS);
      this.#waiting.add(hear);
    });
  }

  /** The document said that it listens. */
  ready(panel: Panel): void {
    panel.life += 1;
    panel.listens = true;
    for (const hear of [...this.#waiting]) hear(panel);
  }

  dispose(): void {
    vscode.Disposable.from(...this.#disposables).dispose();
  }

  #view(): string {
    return hasSecondarySideBar(vscode.version) ? VIEWS[0] : VIEWS[1];
  }

  #adopt(editor: vscode.WebviewPanel, sessionId: string | undefined): void {
    editor.iconPath = vscode.Uri.joinPath(this.root, "media", "icon.svg");
    const panel = this.#add(editor.webview, sessionId, () => editor.reveal(), () => editor.visible);
    editor.onDidChangeViewState(() => this.#visibility(panel));
    editor.onDidDispose(() => this.#remove(panel));
  }

  #add(webview: vscode.Webview, sessionId: string | undefined, reveal: () => void, visible: () => boolean): Panel {
    const panel = new Panel(++this.#numbers, webview, sessionId, reveal, visible);
    this.#open.add(panel);
    webview.options = this.#webviewOptions();
    webview.onDidReceiveMessage((message: FromPanel) => this.onMessage(panel, message));
    webview.html = page({
      cspSource: webview.cspSource,
      script: this.#asset(webview, "view.js"),
      style: this.#asset(webview, "view.css"),
      nonce: newNonce(),
    });
    return panel;
  }

  /** A hidden document is gone, and what is sent to it is lost: it says `ready` when it is made again. */
  #visibility(panel: Panel): void {
    if (!panel.isVisible()) panel.listens = false;
  }

  #remove(panel: Panel): void {
    panel.listens = false;
    this.#open.delete(panel);
  }

  #asset(webview: vscode.Webview, name: string): string {
    return webview.asWebviewUri(vscode.Uri.joinPath(this.root, "dist", name)).toString();
  }

  #webviewOptions(): vscode.WebviewOptions {
    return { enableScripts: true, enableForms: false, localResourceRoots: [vscode.Uri.joinPath(this.root, "dist")] };
  }
}

/** VS Code has a secondary side bar for extensions from 1.106 on. */
export function hasSecondarySideBar(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 1 || (major === 1 && minor >= 106);
}
