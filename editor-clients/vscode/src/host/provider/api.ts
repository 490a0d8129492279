// What VS Code 1.104 and newer ask of whoever provides language models, as far as it is used here.
//
// The extension is compiled against the types of the oldest VS Code that it runs in, which know nothing of it. On
// older ones `register` is absent, and the setting does nothing.

import * as vscode from "vscode";

export interface ModelInformation {
  id: string;
  name: string;
  family: string;
  version: string;
  /** Without the answer: VS Code adds `maxOutputTokens` to it for the size of the window. */
  maxInputTokens: number;
  maxOutputTokens: number;
  detail?: string;
  tooltip?: string;
  capabilities: { imageInput: boolean; toolCalling: boolean };
}

/** A message with parts of several classes, told apart by their fields. */
export interface RequestMessage {
  role: number;
  content: readonly unknown[];
}

export interface ModelProvider {
  onDidChangeLanguageModelChatInformation: vscode.Event<void>;
  provideLanguageModelChatInformation(
    options: { silent: boolean },
    token: vscode.CancellationToken,
  ): Promise<ModelInformation[]>;
  provideLanguageModelChatResponse(
    model: ModelInformation,
    messages: readonly RequestMessage[],
    options: unknown,
    progress: vscode.Progress<unknown>,
    token: vscode.CancellationToken,
  ): Promise<void>;
  provideTokenCount(
    model: ModelInformation,
    text: string | RequestMessage,
    token: vscode.CancellationToken,
  ): Promise<number>;
}

type Register = (vendor: string, provider: ModelProvider) => vscode.Disposable;

/** Offer the models of `provider`; undefined where this VS Code cannot take them. */
export function register(vendor: string, provider: ModelProvider): vscode.Disposable | undefined {
  const lm = vscode.lm as unknown as { registerLanguageModelChatProvider?: Register };
  return lm.registerLanguageModelChatProvider?.(vendor, provider);
}

type TextPart = new (value: string) => unknown;
type DataPart = { json(value: unknown, mime: string): unknown };

/** A piece of the answer, as VS Code takes it. */
export function textPart(text: string): unknown {
  const { LanguageModelTextPart } = vscode as unknown as { LanguageModelTextPart: TextPart };
  return new LanguageModelTextPart(text);
}

/** Structured data beside the answer; undefined where this VS Code knows no such part. */
export function jsonPart(value: unknown, mime: string): unknown {
  return (vscode as unknown as { LanguageModelDataPart?: DataPart }).LanguageModelDataPart?.json(value, mime);
}
