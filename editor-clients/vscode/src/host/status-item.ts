// The item in the status bar: how the server is, what was spent, how full the context is and how warm the cache.

import * as vscode from "vscode";
import type { Connection } from "../server/connection";
import { statusText, tooltip } from "./status-text";

/** The cache's time left is told anew this often, though the server has nothing new to say. */
const TICK_MS = 10_000;
const LINKS = [
  "cmt.doctor",
  "cmt.focus",
  "cmt.installServer",
  "cmt.newSession",
  "cmt.openSettings",
  "cmt.restartServer",
  "cmt.setBudget",
  "cmt.setKey",
  "cmt.showLog",
  "cmt.usage",
];

export class StatusItem implements vscode.Disposable {
  readonly #item = vscode.window.createStatusBarItem("cmt.status", vscode.StatusBarAlignment.Right, 90);
  readonly #connection: Connection;
  readonly #disposables: vscode.Disposable[];
  readonly #timer: NodeJS.Timeout;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#item.name = "Claude (cmt-lsp)";
    this.#item.command = "cmt.menu";
    this.#disposables = [this.#item, connection.onHealth(() => this.#show()), connection.onStatus(() => this.#show())];
    this.#timer = setInterval(() => this.#show(), TICK_MS);
    this.#show();
    this.#item.show();
  }

  dispose(): void {
    clearInterval(this.#timer);
    vscode.Disposable.from(...this.#disposables).dispose();
  }

  #show(): void {
    const { health, status } = this.#connection;
    const shown = statusText(health, status, Date.now());
    this.#item.text = shown.text;
    this.#item.accessibilityInformation = { label: shown.spoken, role: "button" };
    this.#item.backgroundColor = shown.alarm && new vscode.ThemeColor(`statusBarItem.${shown.alarm}Background`);
    const markdown = new vscode.MarkdownString(tooltip(health, status, Date.now()), true);
    markdown.isTrusted = { enabledCommands: LINKS };
    this.#item.tooltip = markdown;
  }
}
