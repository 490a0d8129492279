// The API key, in VS Code's secret storage and nowhere else: not in settings, not in an argument, not in the panel.

import type * as vscode from "vscode";

const NAME = "cmt.apiKey";

export class KeyStore {
  constructor(readonly secrets: vscode.SecretStorage) {}

  /** The key that the person gave, if any; a store that cannot be opened has none. */
  async read(): Promise<string | undefined> {
    try {
      return (await this.secrets.get(NAME)) || undefined;
    } catch {
      return undefined;
    }
  }

  async keep(key: string): Promise<void> {
    await this.secrets.store(NAME, key);
  }

  async forget(): Promise<void> {
    await this.secrets.delete(NAME);
  }

  /** Another window of the same person changed it. */
  onChanged(hear: () => void): vscode.Disposable {
    return this.secrets.onDidChange(({ key }) => key === NAME && hear());
  }
}
