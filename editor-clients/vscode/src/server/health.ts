// What the person is told of the server: a state, one sentence with the way out, and the buttons that mend it.

import type { Mend, ServerHealth } from "../messages";

/** Everything that can keep the server from answering; `detail` is a fact, such as a path or an exit code. */
export type Trouble =
  | { kind: "no_server" }
  | { kind: "bad_path"; detail: string }
  | { kind: "no_python"; detail: string }
  | { kind: "not_started"; detail: string }
  | { kind: "not_cmt"; detail: string }
  | { kind: "version"; detail: string; server: number; client: number }
  | { kind: "crashed"; detail: string; times: number }
  | { kind: "install_failed"; detail: string };

const INSTALL: Mend = { title: "Install the server", command: "cmt.installServer" };
const RESTART: Mend = { title: "Restart the server", command: "cmt.restartServer" };
const CHOOSE: Mend = { title: "Set the path", command: "cmt.openSettings", args: ["cmt.server.path"] };
const PYTHON: Mend = { title: "Name a Python", command: "cmt.openSettings", args: ["cmt.server.python"] };
const LOG: Mend = { title: "Show the log", command: "cmt.showLog" };

/** The health to show for a trouble. */
export function unwell(trouble: Trouble): ServerHealth {
  switch (trouble.kind) {
    case "no_server":
      return {
        state: "missing",
        message: "The server cmt-lsp was not found: install it into an environment of its own, or set its path.",
        mend: [INSTALL, CHOOSE],
      };
    case "bad_path":
      return {
        state: "missing",
        message: `The setting cmt.server.path names ${trouble.detail}, which cannot be run: correct or clear it.`,
        mend: [CHOOSE, INSTALL],
      };
    case "no_python":
      return {
        state: "missing",
        message: `No Python 3.11 or newer was found (${trouble.detail}): install one, or name it in cmt.server.python.`,
        mend: [PYTHON, INSTALL],
      };
    case "not_started":
      return {
        state: "failed",
        message: `The server could not be started: ${trouble.detail}. See the log, then restart it.`,
        mend: [RESTART, LOG, INSTALL],
      };
    case "not_cmt":
      return {
        state: "failed",
        message: `${trouble.detail} is not a cmt-lsp that this extension knows: set the path of another.`,
        mend: [CHOOSE, INSTALL],
      };
    case "version":
      return versions(trouble.detail, trouble.server, trouble.client);
    case "crashed":
      return {
        state: "stopped",
        message: `The server stopped ${trouble.times} times in a row (${trouble.detail}): see the log, then restart it.`,
        mend: [RESTART, LOG],
      };
    case "install_failed":
      return {
        state: "missing",
        message: `The server could not be installed: ${trouble.detail}`,
        mend: [INSTALL, LOG, CHOOSE],
      };
  }
}

function versions(path: string, server: number, client: number): ServerHealth {
  const older = server < client;
  return {
    state: "failed",
    message: older
      ? `${path} is too old for this extension (contract ${server}, not ${client}): install the server that fits.`
      : `${path} is newer than this extension (contract ${server}, not ${client}): update the extension, or install the server that fits.`,
    mend: [INSTALL, CHOOSE],
  };
}

/** The health while all goes well, or is about to. */
export function well(state: "starting" | "ready", version?: string, key?: boolean): ServerHealth {
  return { state, message: "", mend: [], ...(version ? { version } : {}), ...(key === undefined ? {} : { key }) };
}
