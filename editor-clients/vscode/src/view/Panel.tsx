import { useEffect } from "preact/hooks";
import { Composer } from "./composer/Composer";
import { useActions, usePanel } from "./context";
import { Header } from "./header/Header";
import { Health } from "./header/Health";
import { Compare } from "./pages/Compare";
import { History } from "./pages/History";
import { Preview } from "./pages/Preview";
import { Usage } from "./pages/Usage";
import { Transcript } from "./transcript/Transcript";

/** The whole panel: header, one page, composer. */
export function Panel() {
  const page = usePanel((panel) => panel.page);
  const comparing = usePanel((panel) => panel.comparison !== undefined);
  useFonts();
  return (
    <>
      <Header />
      <Health />
      <main>
        {page === "history" && <History />}
        {page === "usage" && <Usage />}
        {page === "compare" && <Compare />}
        {page === "preview" && <Preview />}
        {page === "chat" && <Transcript />}
      </main>
      {(page === "chat" || (page === "compare" && !comparing)) && <Composer />}
      <Said />
    </>
  );
}

/** Tells a screen reader of events, never of the stream. */
function Said() {
  const said = usePanel((panel) => panel.said);
  return (
    <div class="hidden" role="log" aria-live="polite" aria-label="Events">
      <p key={said.count}>{said.text}</p>
    </div>
  );
}

/** Font of the chat, as the settings of VS Code name it. */
function useFonts(): void {
  const actions = useActions();
  const size = usePanel((panel) => panel.config.fontSize);
  const family = usePanel((panel) => panel.config.fontFamily);
  useEffect(() => {
    const root = document.documentElement.style;
    if (size) root.setProperty("--chat-size", `${size}px`);
    else root.removeProperty("--chat-size");
    if (family && family !== "default") root.setProperty("--chat-font", family);
    else root.removeProperty("--chat-font");
  }, [actions, size, family]);
}
