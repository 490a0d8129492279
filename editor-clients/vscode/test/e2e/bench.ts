// How fast the panel is in a real workbench, through the real server, beside a bare webview that appends the same text.
//
//   npm run bench        figures on the terminal, as rows for docs/performance.md
import { cpus, loadavg } from "node:os";
import { join } from "node:path";

import type { Locator } from "../bed/index.ts";
import { CMT_LSP, EXTENSION } from "../bed/places.ts";
import { seed } from "../bed/seed.ts";
import { run } from "../bed/waiting.ts";
import { numbers, reads, seen } from "./seeing.ts";
import { Stage } from "./stage.ts";

const ROUNDS = Number(process.env.CMT_BENCH_ROUNDS ?? 20);
const TURNS = 2000;
const CODE = Array.from({ length: 12 }, (_, line) => `    value_${line} = compute(${line})  # a line of code`).join("\n");
const ANSWER = `A paragraph that says what the code does, and why it is so.\n\n\`\`\`python\ndef work():\n${CODE}\n\`\`\`\n`;

const bare = join(EXTENSION, "dist", "bare.vsix");
const vsce = join(EXTENSION, "node_modules", "@vscode", "vsce", "vsce");
await run(process.execPath, [vsce, "package", "--allow-missing-repository", "--skip-license", "--out", bare], process.env, join(EXTENSION, "test", "bed", "bare"));

const stage = await Stage.open({ machine: { "cmt.server.path": CMT_LSP }, files: { "main.py": "print()\n" }, extensions: [bare] });
const { workbench, simulator, server } = stage;
const rows: string[] = [];

const sorted = (figures: number[]): number[] => [...figures].sort((one, other) => one - other);
const middle = (figures: number[]): number => sorted(figures)[Math.floor(figures.length / 2)]!;
const p95 = (figures: number[]): number => sorted(figures)[Math.floor(figures.length * 0.95)]!;
const ms = (figure: number): string => `${figure.toFixed(figure < 10 ? 1 : 0)} ms`;

function row(what: string, ours: string, baseline: string, beside: string, n: number, target: string): void {
  rows.push(`| ${what} | ${ours} | ${baseline} | ${beside} | ${n} | ${target} |`);
}

/** Milliseconds from now, when the endpoint goes on, until an element shows a word and the frame was painted. */
async function untilPainted(element: Locator, word: string): Promise<number> {
  const painted = element.evaluate(
    (root, wanted) =>
      new Promise<number>((resolve) => {
        const view = root.ownerDocument.defaultView!;
        const look = () => {
          if (root.textContent?.includes(wanted)) view.requestAnimationFrame(() => setTimeout(() => resolve(Date.now())));
          else view.requestAnimationFrame(look);
        };
        look();
      }),
    word,
  );
  const begun = Date.now();
  await simulator.release();
  return (await painted) - begun;
}

const held = () => simulator.reply({ chunks: ["First words, ", "then more."], fault: { kind: "stall", after_events: 4 } });

async function deltas(): Promise<void> {
  const ours: number[] = [];
  const theirs: number[] = [];
  const panel = await stage.freshChat();
  for (let round = 0; round < ROUNDS; round++) {
    await simulator.forget();
    await held();
    await panel.ask(`round ${round}`);
    await panel.lastTurn.says("First words");
    await simulator.wait("stalled", 0);
    ours.push(await untilPainted(panel.lastTurn.answer, "then more"));
    await panel.lastTurn.over();
    await simulator.forget();
    await held();
    await workbench.command("Bare: Ask");
    const answer = workbench.editorPanel.frame.locator("#answer");
    await reads(answer, "First words");
    await simulator.wait("stalled", 0);
    theirs.push(await untilPainted(answer, "then more"));
    await workbench.closeEditors();
  }
  const beside = "a bare webview, fed by the extension host";
  row("endpoint's word to painted word, median", ms(middle(ours)), ms(middle(theirs)), beside, ROUNDS, "at most 100 ms");
  row("the same, 95th percentile", ms(p95(ours)), ms(p95(theirs)), beside, ROUNDS, "");
}

async function opening(): Promise<void> {
  const turns = Array.from({ length: TURNS }, (_, index) => ({ prompt: `Question ${index}`, text: ANSWER }));
  await seed(server.state, server.workspace, [{ id: "long", name: "The long one", turns }]);
  const panel = await stage.freshChat();
  const figures: number[] = [];
  for (let round = 0; round < 5; round++) {
    await panel.button("History").click();
    await seen(panel.frame.getByText("The long one").first());
    figures.push(
      await panel.frame.getByText("The long one").first().evaluate(
        (one) =>
          new Promise<number>((resolve) => {
            const view = one.ownerDocument.defaultView!;
            const begun = view.performance.now();
            const look = () => {
              if (one.ownerDocument.querySelector("[data-turn=long-t1999] .hljs-string, [data-turn=long-t1999] code")) {
                view.requestAnimationFrame(() => setTimeout(() => resolve(view.performance.now() - begun)));
              } else view.requestAnimationFrame(look);
            };
            (one.closest("button") ?? (one as HTMLElement)).click();
            look();
          }),
      ),
    );
    await panel.frame.getByRole("button", { name: "New session", exact: true }).click();
    await numbers(panel.turns, 0);
  }
  row(`a session of ${TURNS.toLocaleString("en")} turns, click to painted, median`, ms(middle(figures)), "-", "-", 5, "at most 1,000 ms");
}

async function typing(): Promise<void> {
  const panel = await stage.freshChat();
  await simulator.forget();
  await simulator.reply({ text: ANSWER.repeat(60), chunk_chars: 20, chunk_delay: 0.008 });
  await panel.ask("Stream while I type");
  await panel.lastTurn.says("A paragraph");
  await panel.frame.locator("body").evaluate((body) => {
    const view = body.ownerDocument.defaultView as any;
    view.cmtPressed = [];
    view.addEventListener("keydown", (event: KeyboardEvent) => {
      view.requestAnimationFrame(() => setTimeout(() => view.cmtPressed.push(view.performance.now() - event.timeStamp)));
    }, true);
  });
  await panel.composer.pressSequentially("the quick brown fox jumps over the lazy dog and then once more over it", { delay: 25 });
  const live = await panel.stop.isVisible();
  const pressed = await panel.frame.locator("body").evaluate((body) => (body.ownerDocument.defaultView as any).cmtPressed as number[]);
  if (live) await panel.stop.click();
  row(`key press to painted${live ? ", while an answer streams" : ""}, 95th percentile`, ms(p95(pressed)), "-", "-", pressed.length, "at most 50 ms");
}

stage.test("figures", async () => {
  await deltas();
  await opening();
  await typing();
  console.log(`${cpus().length} cores, load ${loadavg().map((one) => one.toFixed(1)).join(", ")}`);
  console.log("| figure | ours | baseline | beside | n | target |\n| --- | --- | --- | --- | --- | --- |");
  console.log(rows.join("\n"));
});
