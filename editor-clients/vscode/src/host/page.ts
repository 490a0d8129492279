// The panel's document: a frame for the bundle, under a policy that lets nothing else in and nothing out.

import { randomBytes } from "node:crypto";

export interface PageParts {
  cspSource: string;
  script: string;
  style: string;
  nonce: string;
}

export function newNonce(): string {
  return randomBytes(18).toString("base64");
}

/** `default-src 'none'` also forbids every connection, frame, form and worker. */
export function policy(parts: Pick<PageParts, "cspSource" | "nonce">): string {
  return [
    "default-src 'none'",
    `style-src ${parts.cspSource}`,
    `font-src ${parts.cspSource}`,
    `img-src ${parts.cspSource} data: blob:`,
    `script-src 'nonce-${parts.nonce}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

export function page(parts: PageParts): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy(parts)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Claude</title>
<link rel="stylesheet" href="${parts.style}">
</head>
<body>
<div id="root"></div>
<script nonce="${parts.nonce}" src="${parts.script}"></script>
</body>
</html>`;
}
