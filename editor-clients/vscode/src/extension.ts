// Builds the parts of the extension and hands them to each other; decides nothing itself.

import * as vscode from "vscode";
import { registerCommands } from "./host/commands";
import { KeyStore } from "./host/key-store";
import { LastEditor } from "./host/last-editor";
import { hasSecondarySideBar, Panels } from "./host/panels";
import { ProblemFixes } from "./host/problem-fixes";
import { Proposals } from "./host/proposals";
import { Provision } from "./host/provider/provider";
import { Relay } from "./host/relay";
import { Reports } from "./host/reports";
import { LiveSelections } from "./host/selections";
import * as settings from "./host/settings";
import { StatusItem } from "./host/status-item";
import { makeVerbs } from "./host/verbs";
import { Walkthrough } from "./host/walkthrough";
import { Connection } from "./server/connection";
import { ManagedEnvironment } from "./server/environment";
import { locate } from "./server/locate";

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const side = hasSecondarySideBar(vscode.version) ? "secondary" : "primary";
  await vscode.commands.executeCommand("setContext", "cmt.sideBar", side);

  const log = vscode.window.createOutputChannel("cmt-lsp", { log: true });
  const keys = new KeyStore(context.secrets);
  const environment = new ManagedEnvironment(context.globalStorageUri.fsPath, context.extensionPath, log);
  const connection = new Connection({
    find: () => locate(settings.serverSettings(), environment.folder),
    options: settings.serverOptions,
    key: () => keys.read(),
    log,
  });
  const version: string = context.extension.packageJSON.version;
  const reports = new Reports();
  const editors = new LastEditor();
  const proposals = new Proposals(editors);
  const selections = new LiveSelections();
  const panels: Panels = new Panels(context.extensionUri, (panel, message) => relay.onMessage(panel, message));
  const sights = { config: settings.panelConfig, selection: () => selections.current };
  const verbs = makeVerbs({ connection, panels, proposals, editors });
  const relay: Relay = new Relay(connection, panels, verbs, sights);

  context.subscriptions.push(
    log,
    connection,
    editors,
    proposals,
    selections,
    panels,
    relay,
    reports,
    new StatusItem(connection),
    new Provision(connection),
    ProblemFixes.register(),
    registerCommands({ connection, panels, proposals, keys, environment, reports, log, version }),
    new Walkthrough(connection),
    selections.onChanged((selection) => panels.broadcast({ type: "selection", selection })),
    keys.onChanged(() => void passKey(keys, connection)),
    vscode.workspace.onDidChangeConfiguration((change) => onConfiguration(change, connection, panels)),
    vscode.workspace.onDidGrantWorkspaceTrust(() => connection.start()),
  );
  void connection.start();
}

function onConfiguration(change: vscode.ConfigurationChangeEvent, connection: Connection, panels: Panels): void {
  if (settings.touchesPanel(change)) panels.broadcast({ type: "config", config: settings.panelConfig() });
  if (settings.touchesServerOptions(change)) void connection.tellOptions();
  if (settings.touchesServer(change)) void connection.restart();
}

/** Another window set or forgot the key. */
async function passKey(keys: KeyStore, connection: Connection): Promise<void> {
  if (connection.health.state === "ready") await connection.tellKey((await keys.read()) ?? "").catch(() => undefined);
}
