// The doctor's document: what the extension sees, what the server says of itself, and what to do about it.

import * as vscode from "vscode";
import { stateFolder } from "../server/state-folder";
import type { DoctorCheck } from "../wire";
import type { Parts } from "./parts";
import { serverSettings } from "./settings";
import { escape } from "./status-text";

const SIGNS = { ok: "ok", warn: "**warning**", fail: "**wrong**" } as const;

export async function diagnosis(parts: Parts): Promise<string> {
  await parts.connection.start();
  return [
    "# cmt-lsp: doctor",
    "",
    "Nothing was sent to the endpoint for this report.",
    "",
    "## The extension",
    "",
    ...rows(own(parts)),
    "",
    "## The server",
    "",
    ...(await ofServer(parts)),
    "",
  ].join("\n");
}

function own({ connection, environment, version }: Parts): DoctorCheck[] {
  const { health, path } = connection;
  const settings = serverSettings();
  const trusted = vscode.workspace.isTrusted;
  const state = health.state === "ready" ? "ok" : health.state === "starting" ? "warn" : "fail";
  return [
    { name: "extension", state: "ok", detail: `${version} in VS Code ${vscode.version}` },
    { name: "server", state, detail: `${health.state}${path ? `, ${path}` : ""}`, advice: health.message || undefined },
    { name: "path", state: "ok", detail: settings.path ? `cmt.server.path: ${settings.path}` : "not set; looked for" },
    { name: "own environment", state: "ok", detail: environment.folder ?? "not made" },
    {
      name: "workspace",
      state: "ok",
      detail: trusted ? "trusted" : "restricted: nothing of it is run, and settings of it that could choose are not read",
    },
    { name: "log", state: "ok", detail: stateFolder(process.env, process.platform) },
  ];
}

async function ofServer({ connection }: Parts): Promise<string[]> {
  if (connection.health.state !== "ready") return ["It does not run, so it was not asked."];
  const { checks } = await connection.request("cmt/doctor", {});
  return rows(checks);
}

function rows(checks: readonly DoctorCheck[]): string[] {
  const lines = checks.map(({ name, state, detail, advice }) => `| ${escape(name)} | ${SIGNS[state]} | ${escape(detail)} | ${escape(advice ?? "")} |`);
  return ["| | | | what to do |", "| --- | --- | --- | --- |", ...lines];
}
