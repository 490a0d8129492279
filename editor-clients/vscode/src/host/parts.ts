// The parts that commands work on, built once by extension.ts.

import type * as vscode from "vscode";
import type { Connection } from "../server/connection";
import type { ManagedEnvironment } from "../server/environment";
import type { KeyStore } from "./key-store";
import type { Panels } from "./panels";
import type { Proposals } from "./proposals";
import type { Reports } from "./reports";

export interface Parts {
  connection: Connection;
  panels: Panels;
  proposals: Proposals;
  keys: KeyStore;
  environment: ManagedEnvironment;
  reports: Reports;
  log: vscode.LogOutputChannel;
  /** Of the extension itself. */
  version: string;
}
