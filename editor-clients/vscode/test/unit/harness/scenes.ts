// States of the panel that are worth a look and a check, each set up before the panel starts. They run in the page, so
// that each stands for itself.

export const SCENES: Record<string, () => void> = {
  chat: () => {
    const { fake, samples } = window;
    fake.add(samples.session("session-1"), [
      samples.turn(0, { attachments: ["Selection from src/net/client.py, lines 40 to 71 in Client.fetch (python)"], thinking: "The person asks why.\nTwo clocks." }),
      samples.turn(1, { cache: samples.MISS }),
      samples.turn(2, { stopReason: "cancelled", text: "Here is a test that uses a fake clock, so that" }),
    ]);
    fake.hello = {
      sessionId: "session-1",
      selection: { item: { kind: "file", uri: "file:///w/src/net/client.py" }, label: "client.py:40-71", lines: 32 },
    };
  },
  pictures: () => {
    const { fake, samples } = window;
    const images = [0, 1].map((index) => ({ index, mediaType: "image/png", bytes: 420_000, width: 1568, height: 1018 }));
    fake.add(samples.session("session-1"), [samples.turn(0, { text: "Two dialogs, one behind the other.", images, attachments: ["image/png", "image/png", "File src/dialog.ts (typescript)"] })]);
    fake.hello = { sessionId: "session-1" };
  },
  empty: () => {
    window.fake.hello = { status: window.samples.status("none", { session: undefined, warmth: undefined, contextFill: undefined }) };
  },
  draft: () => {
    const { fake, samples } = window;
    fake.add(samples.session("session-1"), [samples.turn(0)]);
    fake.hello = { sessionId: "session-1" };
    fake.state = {
      sessionId: "session-1", tabs: ["session-1", "session-2"],
      drafts: {
        "session-1": {
          text: "What is wrong in this dialog?\nIt opens behind the window.",
          attached: [{ item: { kind: "file", uri: "file:///w/src/dialog.ts" }, label: "dialog.ts", tokens: 2310 }],
          images: [{ path: "/tmp/shot.png", name: "Screenshot 2026-11-23.png" }],
        },
      },
    };
    fake.add(samples.session("session-2", { name: "A rather long name of a session about parsers" }), [samples.turn(0)]);
  },
  failure: () => {
    const { fake, samples } = window;
    fake.add(samples.session("session-1"), [samples.turn(0)]);
    fake.hello = { sessionId: "session-1" };
    fake.failures.set("chat", {
      code: -32803, message: "This question may cost up to $0.14, and the day's budget has $0.06 left; raise it or send this once.",
      data: { kind: "budget_exceeded", retryable: false },
    });
  },
  stream: () => {
    const { fake, samples } = window;
    fake.add(samples.session("session-1"), [samples.turn(0)]);
    fake.hello = { sessionId: "session-1" };
    fake.thinking = "First the clocks, then the sum of them. ".repeat(3);
    fake.pause = 25;
  },
  history: () => {
    const { fake, samples } = window;
    const names = ["Request timeouts", "Parser for the new format", "Why is the build slow on two cores and fast on one?", "Release notes", "A dialog behind its window"];
    for (const [index, name] of names.entries()) {
      const known = { name, turns: index * 7 + 1, cost: samples.cost(index * 31e6 + 2e6), updatedAt: new Date(Date.now() - index * 5e7).toISOString() };
      fake.add(samples.session(`session-${index}`, { ...known, state: index === 1 ? "busy" : "idle" }), [samples.turn(0)]);
    }
    fake.hello = { sessionId: "session-0" };
  },
  preview: () => {
    window.fake.add(window.samples.session("session-1"), [window.samples.turn(0)]);
    window.fake.hello = { sessionId: "session-1" };
  },
  usage: () => {
    window.fake.add(window.samples.session("session-1"), [window.samples.turn(0)]);
  },
  models: () => {
    window.fake.add(window.samples.session("session-1"), [window.samples.turn(0)]);
    window.fake.hello = { sessionId: "session-1" };
  },
  compare: () => {
    window.fake.add(window.samples.session("session-1"), [window.samples.turn(0)]);
    window.fake.hello = { sessionId: "session-1" };
    window.fake.pause = 1;
    window.fake.piece = 60;
  },
  missing: () => {
    window.fake.health = {
      state: "missing", message: "cmt-lsp is not installed: install it into an environment of its own, or name its path.",
      mend: [{ title: "Install", command: "cmt.install" }, { title: "Choose path…", command: "cmt.openSettings" }],
    };
    window.fake.hello = { status: null };
  },
};
