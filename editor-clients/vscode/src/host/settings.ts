// The extension's settings as typed values. The only reader of VS Code's configuration.

import * as vscode from "vscode";
import type { PanelConfig } from "../messages";

const SECTION = "cmt";

/** Settings that the server takes as its own options, by the names that it knows them by. */
export const SERVER_OPTIONS = [
  "model",
  "maxTokens",
  "effort",
  "systemPrompt",
  "promptCache",
  "logLevel",
  "budgets",
] as const;

export interface ServerSettings {
  path: string;
  python: string;
  package: string;
  useWorkspaceEnvironment: boolean;
}

/** Where the server is found and what it is installed from; of machine scope, so that no workspace can say. */
export function serverSettings(): ServerSettings {
  const settings = vscode.workspace.getConfiguration(SECTION);
  return {
    path: settings.get("server.path", ""),
    python: settings.get("server.python", ""),
    package: settings.get("server.package", ""),
    useWorkspaceEnvironment: settings.get("server.useWorkspaceEnvironment", true),
  };
}

/** What the person set; a default stays with the server, whose own file may say otherwise. */
export function serverOptions(): Record<string, unknown> {
  const settings = vscode.workspace.getConfiguration(SECTION);
  const set = SERVER_OPTIONS.map((name) => [name, settings.get(name)] as const);
  const given = set.filter(([, value]) => value !== null && value !== undefined && value !== "");
  // The extension has menus of its own for what the server offers as code actions.
  return { ...Object.fromEntries(given), codeActions: false };
}

export function panelConfig(): PanelConfig {
  const settings = vscode.workspace.getConfiguration(SECTION);
  const chat = vscode.workspace.getConfiguration("chat");
  const family = chat.get<string>("fontFamily");
  return {
    fontSize: chat.get<number>("fontSize"),
    fontFamily: family && family !== "default" ? family : undefined,
    sendOnEnter: settings.get("sendOnEnter", true),
    showThinking: settings.get("showThinking", "folded"),
  };
}

export function showsLiveSelection(): boolean {
  return vscode.workspace.getConfiguration(SECTION).get("liveSelection", true);
}

/** Whether a change of the configuration touches what the panel is told. */
export function touchesPanel(change: vscode.ConfigurationChangeEvent): boolean {
  const names = ["chat.fontSize", "chat.fontFamily", "cmt.sendOnEnter", "cmt.showThinking", "cmt.liveSelection"];
  return names.some((name) => change.affectsConfiguration(name));
}

export function touchesServerOptions(change: vscode.ConfigurationChangeEvent): boolean {
  return SERVER_OPTIONS.some((name) => change.affectsConfiguration(`${SECTION}.${name}`));
}

export function touchesServer(change: vscode.ConfigurationChangeEvent): boolean {
  return change.affectsConfiguration(`${SECTION}.server`);
}
