import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { LiveMarkdown } from "../markdown/live";

/**
 * The answer's text. While it grows it goes to the document directly, past the components; a settled one is plain until it
 * comes near the part that is seen, so that a long chat opens at once.
 */
export function Answer({ text, done, eager }: { text: string; done: boolean; eager: boolean }) {
  const root = useRef<HTMLDivElement>(null);
  const live = useRef<LiveMarkdown | null>(null);
  const [near, setNear] = useState(eager);
  useLayoutEffect(() => {
    const element = root.current!;
    if (near) {
      live.current ??= new LiveMarkdown(element);
      live.current.update(text, done);
      return undefined;
    }
    element.textContent = text;
    // Told by the turn's own `content-visibility`: an observer of intersections cost 40 ms a frame for 2,000 turns.
    const turn = element.closest(".turn")!;
    const turned = (event: Event): void => {
      if (!(event as ContentVisibilityAutoStateChangeEvent).skipped) setNear(true);
    };
    turn.addEventListener("contentvisibilityautostatechange", turned);
    return () => turn.removeEventListener("contentvisibilityautostatechange", turned);
  }, [text, done, near]);
  return <div class={near ? "answer markdown" : "answer markdown raw"} ref={root} />;
}
