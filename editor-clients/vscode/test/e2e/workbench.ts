// VS Code as a person uses it: the command palette, editors, the status bar, notifications.
import type { Locator, Page } from "../bed/index.ts";
import { until } from "../bed/waiting.ts";
import { Panel } from "./panel.ts";
import { reads, seen } from "./seeing.ts";

export class Workbench {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Open a workbench and wait until the extension shows in the status bar. */
  async open(address: string): Promise<void> {
    await this.page.goto(address);
    await this.status.waitFor({ timeout: 60_000 });
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.status.waitFor({ timeout: 60_000 });
  }

  /** Wait until the workbench has written a text down for the next time: in a browser it does so every five seconds. */
  async kept(text: string): Promise<void> {
    await until(`the workbench keeps "${text}"`, () => this.page.evaluate(holds, text), 20_000);
  }

  /** The extension's item in the status bar. */
  get status(): Locator {
    return this.page.locator(".statusbar-item[id^='cmt-lsp.cmt-lsp']").first();
  }

  /** The panel in the side bar: the document that touches the right edge of the window. */
  get panel(): Panel {
    return new Panel(this.page, this.page.frameLocator(".webview-overlay-outer-right > iframe.webview.ready"));
  }

  /** The panel in an editor tab. */
  get editorPanel(): Panel {
    const inside = ".webview-overlay-content:not(.webview-overlay-outer-right) > iframe.webview.ready";
    return new Panel(this.page, this.page.frameLocator(inside));
  }

  /** Run a command by its title, as the palette shows it. */
  async command(title: string): Promise<void> {
    await this.page.keyboard.press("F1");
    await this.pick(title, `>${title}`);
  }

  /** Choose a row of the quick pick that is open: the first one, once `text` was typed. */
  async pick(row: string, text = row): Promise<void> {
    const box = this.page.locator(".quick-input-widget .quick-input-box input").first();
    await box.waitFor();
    await box.fill(text);
    await seen(this.page.locator(".quick-input-list .monaco-list-row.focused").filter({ hasText: row }));
    await box.press("Enter");
  }

  /** Answer the input box that is open. */
  async answer(text: string): Promise<void> {
    const box = this.page.locator(".quick-input-widget .quick-input-box input").first();
    await box.waitFor();
    await box.fill(text);
    await box.press("Enter");
  }

  async openFile(name: string): Promise<void> {
    await this.page.keyboard.press("Control+P");
    await this.pick(name);
    await this.tab(name).waitFor();
    await this.editor.waitFor();
  }

  tab(name: string | RegExp): Locator {
    return this.page.locator(".tabs-container .tab").filter({ hasText: name });
  }

  /** A button beside the tabs of the editors. */
  titleButton(name: string): Locator {
    return this.page.locator(`.editor-actions .action-label[aria-label*="${name}"]`).first();
  }

  get editor(): Locator {
    return this.page.locator(".editor-group-container.active .monaco-editor").last();
  }

  /** Select whole lines of the open file, counted from 1. */
  async selectLines(from: number, to: number): Promise<void> {
    await this.goTo(from, 1);
    for (let line = from; line < to; line++) await this.page.keyboard.press("Shift+ArrowDown");
    await this.page.keyboard.press("Shift+End");
  }

  /** Put the cursor of the active editor at a place, counted from 1. */
  async goTo(line: number, column: number): Promise<void> {
    await this.editor.locator(".view-lines").first().click({ position: { x: 5, y: 5 } });
    await this.page.keyboard.press("Control+G");
    await this.answer(`:${line}:${column}`);
    await reads(this.page.locator(".statusbar-item[id='status.editor.selection']"), `Ln ${line}, Col ${column}`);
  }

  async save(): Promise<void> {
    await this.page.keyboard.press("Control+S");
  }

  /** Close all editors; what is not saved is given up. */
  async closeEditors(): Promise<void> {
    await this.command("View: Close All Editors");
    const giveUp = this.dialog.getByRole("button", { name: "Don't Save" });
    await until("no editor is open", async () => {
      if (await giveUp.isVisible()) await giveUp.click();
      return (await this.page.locator(".tabs-container .tab").count()) === 0;
    });
  }

  notification(text: string | RegExp): Locator {
    return this.page.locator(".notification-toast").filter({ hasText: text });
  }

  /** The dialog over the workbench, such as a question whether to send. */
  get dialog(): Locator {
    return this.page.locator(".monaco-dialog-box");
  }
}

/** Whether any of the databases of the page holds a text; runs in the page. */
async function holds(text: string): Promise<boolean> {
  const finished = <T>(request: IDBRequest<T>) =>
    new Promise<T>((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  for (const { name } of await indexedDB.databases()) {
    if (!name?.startsWith("vscode-web-state-db")) continue;
    const database = await finished(indexedDB.open(name));
    const tables = [...database.objectStoreNames];
    const values = await Promise.all(tables.map((table) => finished(database.transaction(table).objectStore(table).getAll())));
    database.close();
    if (values.flat().some((value) => String(value).includes(text))) return true;
  }
  return false;
}
