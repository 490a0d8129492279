// Asks the endpoint by hand and hands each piece of text to a webview that appends it: no server, no state, no markdown.
const http = require("node:http");
const vscode = require("vscode");

const PAGE = `<!DOCTYPE html><html><body><pre id="answer"></pre><script>
addEventListener("message", ({ data }) => document.getElementById("answer").append(data));
</script></body></html>`;

const QUESTION = {
  model: "claude-sonnet-5-5",
  max_tokens: 1000,
  stream: true,
  messages: [{ role: "user", content: "Say something" }],
};

let panel;

function ask() {
  panel ??= vscode.window.createWebviewPanel("bare", "Bare", vscode.ViewColumn.Active, { enableScripts: true });
  panel.onDidDispose(() => (panel = undefined));
  panel.webview.html = PAGE;
  const headers = {
    "content-type": "application/json",
    "x-api-key": process.env.ANTHROPIC_API_KEY,
    "anthropic-version": "2023-06-01",
  };
  const request = http.request(`${process.env.ANTHROPIC_BASE_URL}/v1/messages`, { method: "POST", headers }, (response) => {
    let rest = "";
    response.setEncoding("utf8").on("data", (chunk) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const event = line.startsWith("data: ") ? JSON.parse(line.slice(6)) : {};
        if (event.delta?.type === "text_delta") void panel?.webview.postMessage(event.delta.text);
      }
    });
  });
  request.end(JSON.stringify(QUESTION));
}

exports.activate = (context) => {
  context.subscriptions.push(vscode.commands.registerCommand("bare.ask", ask));
};
