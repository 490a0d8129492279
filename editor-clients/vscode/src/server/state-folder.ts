// Where the server keeps its sessions and its log, by the rule of docs/settings.md.

import { homedir } from "node:os";
import * as path from "node:path";

export function stateFolder(env: NodeJS.ProcessEnv, platform: NodeJS.Platform, home = homedir()): string {
  if (env.CMT_STATE_DIR) return env.CMT_STATE_DIR;
  if (env.XDG_STATE_HOME) return path.join(env.XDG_STATE_HOME, "cmt-lsp");
  if (platform === "darwin") return path.join(home, "Library", "Application Support", "cmt-lsp");
  if (platform === "win32") return path.join(env.LOCALAPPDATA ?? path.join(home, "AppData", "Local"), "cmt-lsp");
  return path.join(home, ".local", "state", "cmt-lsp");
}
