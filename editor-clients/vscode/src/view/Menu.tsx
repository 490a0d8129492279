import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

interface MenuProps {
  id?: string;
  /** What the button is called. */
  label: string;
  title?: string;
  face: ComponentChildren;
  class?: string;
  /** Called as it opens. */
  opened?: () => void;
  disabled?: boolean;
  children: (close: () => void) => ComponentChildren;
}

/** A button with a menu: arrows move, Escape closes and gives the focus back. */
export function Menu(props: MenuProps) {
  const [open, setOpen] = useState(false);
  const frame = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const close = (): void => {
    setOpen(false);
    button.current?.focus();
  };
  useLayoutEffect(() => {
    if (!open) return;
    const first = items(list.current!).find((item) => item.getAttribute("aria-checked") === "true");
    (first ?? items(list.current!)[0])?.focus();
    inside(list.current!);
  }, [open]);
  useEffect(() => {
    if (!open) return undefined;
    const outside = (event: Event): void => {
      if (event.target instanceof Node && !frame.current!.contains(event.target)) setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
    };
  }, [open]);
  return (
    <div class="menu-frame" ref={frame}>
      <button
        type="button"
        id={props.id}
        ref={button}
        class={props.class ?? "icon"}
        title={props.title ?? props.label}
        aria-label={props.label}
        aria-haspopup="menu"
        aria-expanded={open}
        disabled={props.disabled}
        onClick={() => {
          if (!open) props.opened?.();
          setOpen(!open);
        }}
      >
        {props.face}
      </button>
      {open && (
        <div class="menu" role="menu" aria-label={props.label} ref={list} onKeyDown={(event) => moved(event, list.current!, close)}>
          {props.children(close)}
        </div>
      )}
    </div>
  );
}

/** Bring the menu into the window, whichever side its button is on. */
function inside(list: HTMLElement): void {
  const box = list.getBoundingClientRect();
  const right = box.right - document.documentElement.clientWidth + 4;
  if (right > 0) list.style.transform = `translateX(${-Math.min(right, box.left - 4)}px)`;
}

function items(list: HTMLElement): HTMLElement[] {
  return [...list.querySelectorAll<HTMLElement>("[role^=menuitem]:not([disabled])")];
}

function moved(event: KeyboardEvent, list: HTMLElement, close: () => void): void {
  const all = items(list);
  const at = all.indexOf(document.activeElement as HTMLElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    all[(to + all.length) % all.length]?.focus();
  } else if (event.key === "Escape" || event.key === "Tab") {
    event.preventDefault();
    event.stopPropagation();
    close();
  }
}

/** One line of a menu. */
export function MenuItem(props: { onPick: () => void; checked?: boolean; disabled?: boolean; title?: string; children: ComponentChildren }) {
  return (
    <button
      type="button"
      role={props.checked === undefined ? "menuitem" : "menuitemradio"}
      aria-checked={props.checked}
      tabIndex={-1}
      title={props.title}
      disabled={props.disabled}
      onClick={props.onPick}
    >
      {props.children}
    </button>
  );
}
