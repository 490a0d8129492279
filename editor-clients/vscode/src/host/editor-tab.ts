// The chat in an editor tab, named after its session.

import type { Connection } from "../server/connection";
import type { Panels } from "./panels";

const LONGEST = 40;

/** Open a tab for a session; without one it shows what the panel would show by itself. */
export async function openInEditor(connection: Connection, panels: Panels, sessionId?: string): Promise<void> {
  const name = sessionId && (await nameOf(connection, sessionId));
  panels.openEditor(sessionId, name ? `Claude: ${name}` : "Claude");
}

/** Empty where the server does not tell: the tab says by itself what is wrong. */
async function nameOf(connection: Connection, sessionId: string): Promise<string> {
  try {
    const { session } = await connection.request("cmt/session/get", { sessionId, last: 1 });
    return session.name.length > LONGEST ? `${session.name.slice(0, LONGEST)}…` : session.name;
  } catch {
    return "";
  }
}
