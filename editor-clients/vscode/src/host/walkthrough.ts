// Ticks off the steps of the walkthrough that are done already.
//
// VS Code counts a context only if it becomes true after the walkthrough was opened for the first time, and never
// again one that was true by then. So nothing is told before a tab is open that is neither text nor another known
// kind: the walkthrough's is such a one.

import * as vscode from "vscode";
import type { Connection } from "../server/connection";

export class Walkthrough implements vscode.Disposable {
  readonly #connection: Connection;
  readonly #listening: vscode.Disposable;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#listening = vscode.Disposable.from(
      connection.onHealth(() => this.#tell()),
      vscode.window.tabGroups.onDidChangeTabs(() => this.#tell()),
    );
  }

  dispose(): void {
    this.#listening.dispose();
  }

  #tell(): void {
    if (!mayBeOpen()) return;
    const { state, key } = this.#connection.health;
    void vscode.commands.executeCommand("setContext", "cmt.serverReady", state === "ready");
    void vscode.commands.executeCommand("setContext", "cmt.hasKey", key === true);
  }
}

function mayBeOpen(): boolean {
  return vscode.window.tabGroups.all.some((group) => group.tabs.some((tab) => tab.input === undefined));
}
