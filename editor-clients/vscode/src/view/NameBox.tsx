import { useEffect, useRef } from "preact/hooks";

/** A name being written: Enter and leaving take it, Escape does not. */
export function NameBox({ name, done }: { name: string; done: (name: string) => void }) {
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    box.current!.focus();
    box.current!.select();
  }, []);
  const ended = useRef(false);
  /** Once: an element that is taken away loses the focus, too. */
  const end = (fresh: string): void => {
    if (ended.current) return;
    ended.current = true;
    done(fresh);
  };
  const keyed = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    if (event.key === "Enter") end(box.current!.value);
    if (event.key === "Escape") {
      event.preventDefault();
      end(name);
    }
  };
  return <input ref={box} class="rename" aria-label="Name of the session" defaultValue={name} onKeyDown={keyed} onBlur={() => end(box.current?.value ?? name)} />;
}
