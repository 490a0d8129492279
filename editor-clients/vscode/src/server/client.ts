// The language client of one start of the server: what it offers, what it leaves alone, where it writes.

import { homedir } from "node:os";
import type { LogOutputChannel } from "vscode";
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  type LanguageClientOptions,
  RevealOutputChannelOn,
  type StaticFeature,
} from "vscode-languageclient/node";
import type { Notifications } from "../wire";
import { tracedTo } from "./trace";

export interface ClientParts {
  log: LogOutputChannel;
  /** The `cmt` section for the server. */
  options(): Record<string, unknown>;
  /** The connection ended without having been asked to. */
  onClosed(): void;
}

/** What the server is told of: the text that a person edits, saved or not. */
const DOCUMENTS = [{ scheme: "file" }, { scheme: "untitled" }];

/** A client for the program at `path`; it is not started again by itself. */
export function makeClient(path: string, { log, options, onClosed }: ClientParts): LanguageClient {
  const clientOptions: LanguageClientOptions = {
    documentSelector: DOCUMENTS,
    textSynchronization: { delayOpenNotifications: true },
    initializationOptions: () => ({ cmt: options() }),
    outputChannel: log,
    traceOutputChannel: tracedTo(log),
    revealOutputChannelOn: RevealOutputChannelOn.Never,
    initializationFailedHandler: () => false,
    errorHandler: {
      error: () => ({ action: ErrorAction.Continue, handled: true }),
      closed: () => {
        onClosed();
        return { action: CloseAction.DoNotRestart, handled: true };
      },
    },
    markdown: { isTrusted: false, supportHtml: false },
  };
  // Not in the workspace, which would be the default: nothing of it is to be found by being near.
  const client = new QuietClient("cmt", "cmt-lsp", { command: path, options: { cwd: homedir() } }, clientOptions);
  client.registerFeature(OWN_WAYS);
  return client;
}

/** Listen to a notification of the server. */
export function hear<N extends keyof Notifications>(
  client: LanguageClient,
  method: N,
  listen: (params: Notifications[N]) => void,
): void {
  client.onNotification(method, listen);
}

/** Writes errors to the log alone: the health has a sentence for each, with its button. */
class QuietClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

/** What editors without a client of their own need of the server; here the extension's menus and commands do it. */
const DONE_HERE = [
  "executeCommandProvider",
  "codeActionProvider",
  "codeLensProvider",
  "documentLinkProvider",
  "documentSymbolProvider",
  "foldingRangeProvider",
  "hoverProvider",
] as const;

/** The notifications that this client wants of the server, and the features that it leaves alone. */
const OWN_WAYS: StaticFeature = {
  fillClientCapabilities: (capabilities) => {
    capabilities.experimental = { ...capabilities.experimental, cmt: { status: true, turn: true } };
  },
  preInitialize: (capabilities) => {
    for (const name of DONE_HERE) delete capabilities[name];
  },
  initialize: () => undefined,
  getState: () => ({ kind: "static" }),
  clear: () => undefined,
};
