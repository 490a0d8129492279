// Claude's models in VS Code's own chat, through the same server as the panel: one ledger, the same budgets.
//
// Off unless the person turns it on: VS Code sends long prompts of its own, and what they cost is theirs to decide.

import * as vscode from "vscode";
import type { Connection } from "../../server/connection";
import type { RpcErrorBody } from "../../wire";
import { Refusal } from "../../server/errors";
import { jsonPart, type ModelInformation, type ModelProvider, register, type RequestMessage, textPart } from "./api";
import { conversationOf, textOf, usageForRing } from "./messages";
import { offered } from "./models";

export const VENDOR = "cmt";
const SETTING = "cmt.modelProvider.enabled";
/** A rule of thumb for VS Code's own planning; the server counts what is sent. */
const CHARACTERS_PER_TOKEN = 3.5;

/** Registers and withdraws the provider as the setting says. */
export class Provision implements vscode.Disposable {
  readonly #connection: Connection;
  readonly #disposables: vscode.Disposable[];
  #registered: vscode.Disposable | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#disposables = [
      vscode.workspace.onDidChangeConfiguration((change) => change.affectsConfiguration(SETTING) && this.#follow()),
    ];
    this.#follow();
  }

  dispose(): void {
    vscode.Disposable.from(...this.#disposables).dispose();
    this.#withdraw();
  }

  #follow(): void {
    this.#withdraw();
    if (!vscode.workspace.getConfiguration().get(SETTING, false)) return;
    this.#registered = register(VENDOR, new Provider(this.#connection));
    // Until somebody has asked for them, VS Code answers that no model is available.
    if (this.#registered) void vscode.lm.selectChatModels({ vendor: VENDOR });
  }

  #withdraw(): void {
    this.#registered?.dispose();
    this.#registered = undefined;
  }
}

class Provider implements ModelProvider {
  readonly #connection: Connection;
  readonly onDidChangeLanguageModelChatInformation: vscode.Event<void>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.onDidChangeLanguageModelChatInformation = (listener, ...rest) =>
      connection.onHealth((health) => health.state === "ready" && listener.call(rest[0]), undefined, rest[1]);
  }

  async provideLanguageModelChatInformation(options: { silent: boolean }): Promise<ModelInformation[]> {
    if (this.#connection.health.state !== "ready" && options.silent) return [];
    const { models } = await this.#connection.request("cmt/models", {});
    return offered(models);
  }

  async provideLanguageModelChatResponse(
    model: ModelInformation,
    messages: readonly RequestMessage[],
    _options: unknown,
    progress: vscode.Progress<unknown>,
    token: vscode.CancellationToken,
  ): Promise<void> {
    const params = { ...conversationOf(messages), model: model.id };
    try {
      const result = await this.#connection.stream(
        "cmt/complete",
        params,
        (value) => value.kind === "text" && progress.report(textPart(value.text)),
        token,
      );
      const usage = "usage" in result && jsonPart(usageForRing(result.usage), "usage");
      if (usage) progress.report(usage);
    } catch (error) {
      throw plain(error);
    }
  }

  async provideTokenCount(_model: ModelInformation, text: string | RequestMessage): Promise<number> {
    const words = typeof text === "string" ? text : textOf(text);
    return Math.ceil(words.length / CHARACTERS_PER_TOKEN);
  }
}

/** One sentence for VS Code's chat, with the way out where the server knows one. */
function plain(error: unknown): Error {
  if (!(error instanceof Refusal)) return error instanceof Error ? error : new Error(String(error));
  const { message, data }: RpcErrorBody = error.body;
  return new Error(data?.hint ? `${message} ${data.hint}` : message);
}
