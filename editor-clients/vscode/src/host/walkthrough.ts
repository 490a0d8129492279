// Ticks off the steps of the walkthrough that are done already.
//
// VS Code counts only what changes while the walkthrough is open, so what holds is told anew, as another true value,
// whenever a tab opens that is neither text nor another known kind: the walkthrough's is such a one.

import * as vscode from "vscode";
import type { Connection } from "../server/connection";

export class Walkthrough implements vscode.Disposable {
  readonly #connection: Connection;
  readonly #listening: vscode.Disposable;
  #told = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#listening = vscode.Disposable.from(
      connection.onHealth(() => this.#tell()),
      vscode.window.tabGroups.onDidChangeTabs(({ opened }) => opened.some((tab) => tab.input === undefined) && this.#tell()),
    );
  }

  dispose(): void {
    this.#listening.dispose();
  }

  #tell(): void {
    const { state, key } = this.#connection.health;
    this.#told += 1;
    void vscode.commands.executeCommand("setContext", "cmt.serverReady", state === "ready" && this.#told);
    void vscode.commands.executeCommand("setContext", "cmt.hasKey", key === true && this.#told);
  }
}
