import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { LiveMarkdown } from "../markdown/live";

const waiting = new WeakMap<Element, () => void>();
const nearby = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      nearby.unobserve(entry.target);
      waiting.get(entry.target)?.();
    }
  },
  { rootMargin: "1200px" },
);

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
    waiting.set(element, () => setNear(true));
    nearby.observe(element);
    return () => nearby.unobserve(element);
  }, [text, done, near]);
  return <div class={near ? "answer markdown" : "answer markdown raw"} ref={root} />;
}
