// Where `cmt-lsp` may be, in the order in which it is looked for. Plain functions; the disk is given.

import * as path from "node:path";

/** Whether a file exists and may be run. */
export type IsProgram = (file: string) => boolean;

export interface Places {
  /** `cmt.server.path`, empty where it is not set. Never a workspace's. */
  setting: string;
  /** The variable PATH. */
  searchPath: string;
  /** Folders of Python environments of the workspace; empty unless the workspace is trusted. */
  environments: readonly string[];
  /** The extension's own environment, if it was made. */
  managed: string | undefined;
  /** Folders of the workspace: a program of theirs on PATH is theirs, not the person's. */
  workspace: readonly string[];
  trusted: boolean;
  home: string;
  windows: boolean;
}

export type Origin = "setting" | "path" | "environment" | "managed";

export type Found = { path: string; origin: Origin } | { bad: string } | null;

const EXTENSIONS = [".exe", ".cmd", ".bat"];

/** The server to start: `bad` where the setting names no program, `null` where there is none at all. */
export function findServer(places: Places, isProgram: IsProgram): Found {
  if (places.setting) {
    const named = absolute(places.setting, places.home);
    return named && isProgram(named) ? { path: named, origin: "setting" } : { bad: places.setting };
  }
  return (
    first("path", onSearchPath(places), isProgram) ??
    first("environment", inEnvironments(places), isProgram) ??
    first("managed", places.managed ? [inEnvironment(places.managed, "cmt-lsp", places.windows)] : [], isProgram)
  );
}

/** A program of a Python environment. */
export function inEnvironment(folder: string, program: string, windows: boolean): string {
  return windows ? path.join(folder, "Scripts", `${program}.exe`) : path.join(folder, "bin", program);
}

/** Every place of PATH for a program; relative entries are left out, since they mean the current folder. */
export function searched(program: string, searchPath: string, windows: boolean): string[] {
  const names = windows ? EXTENSIONS.map((extension) => program + extension) : [program];
  return searchPath
    .split(windows ? ";" : ":")
    .filter((folder) => path.isAbsolute(folder))
    .flatMap((folder) => names.map((name) => path.join(folder, name)));
}

function onSearchPath(places: Places): string[] {
  const found = searched("cmt-lsp", places.searchPath, places.windows);
  return places.trusted ? found : found.filter((file) => !places.workspace.some((folder) => isInside(folder, file)));
}

function inEnvironments(places: Places): string[] {
  if (!places.trusted) return [];
  return places.environments.map((folder) => inEnvironment(folder, "cmt-lsp", places.windows));
}

function first(origin: Origin, files: readonly string[], isProgram: IsProgram): Found {
  const file = files.find(isProgram);
  return file ? { path: file, origin } : null;
}

/** `~` means the home folder; a relative path means nothing, since no folder is sure to be the person's. */
function absolute(given: string, home: string): string | null {
  const expanded = given === "~" || given.startsWith("~/") || given.startsWith("~\\") ? path.join(home, given.slice(1)) : given;
  return path.isAbsolute(expanded) ? expanded : null;
}

function isInside(folder: string, file: string): boolean {
  const relative = path.relative(folder, file);
  return relative !== "" && !relative.startsWith("..") && !path.isAbsolute(relative);
}
