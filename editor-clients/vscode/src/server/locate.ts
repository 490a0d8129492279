// Finds the server on this machine: what candidates.ts decides, over the real disk and VS Code's settings.

import { accessSync, constants, statSync } from "node:fs";
import { homedir } from "node:os";
import * as path from "node:path";
import * as vscode from "vscode";
import type { ServerSettings } from "../host/settings";
import { findServer, type Places } from "./candidates";
import type { Trouble } from "./health";

const WINDOWS = process.platform === "win32";
const FOLDERS = [".venv", "venv"];

/** The program to start, or why there is none. */
export async function locate(
  settings: ServerSettings,
  managed: string | undefined,
): Promise<{ path: string } | { trouble: Trouble }> {
  const found = findServer(await places(settings, managed), isProgram);
  if (!found) return { trouble: { kind: "no_server" } };
  if ("bad" in found) return { trouble: { kind: "bad_path", detail: found.bad } };
  return { path: found.path };
}

export function isProgram(file: string): boolean {
  try {
    accessSync(file, WINDOWS ? constants.R_OK : constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

async function places(settings: ServerSettings, managed: string | undefined): Promise<Places> {
  const folders = (vscode.workspace.workspaceFolders ?? []).filter((one) => one.uri.scheme === "file");
  const workspace = folders.map((folder) => folder.uri.fsPath);
  const trusted = vscode.workspace.isTrusted;
  const wanted = trusted && settings.useWorkspaceEnvironment;
  return {
    setting: settings.path,
    searchPath: process.env.PATH ?? "",
    environments: wanted ? [...(await chosenEnvironment()), ...inFolders(workspace)] : [],
    managed,
    workspace,
    trusted,
    home: homedir(),
    windows: WINDOWS,
  };
}

function inFolders(workspace: readonly string[]): string[] {
  return workspace.flatMap((folder) => FOLDERS.map((name) => path.join(folder, name)));
}

/** What the Python extension's own picker says, where that extension is there and already runs. */
async function chosenEnvironment(): Promise<string[]> {
  const python = vscode.extensions.getExtension("ms-python.python");
  if (!python?.isActive) return [];
  const chosen: unknown = python.exports?.environments?.getActiveEnvironmentPath?.()?.path;
  return typeof chosen === "string" ? [path.dirname(path.dirname(chosen))] : [];
}
