// The trace of messages between the extension and the server, without the key: it is the one message that carries it.

import type { LogOutputChannel } from "vscode";

const KEY = /("apiKey"\s*:\s*)"(?:[^"\\]|\\.)*"/g;

export function withoutKey(message: string): string {
  return message.replace(KEY, '$1"[secret]"');
}

/** The same channel, but for what is traced to it. */
export function tracedTo(log: LogOutputChannel): LogOutputChannel {
  return Object.create(log, { trace: { value: (message: string) => log.trace(withoutKey(message)) } });
}
