// Holds the panel's state, tells who looks at it, and takes messages in once a frame.

import { useLayoutEffect, useReducer, useRef } from "preact/hooks";
import type { Act, Panel } from "./state/panel";
import { START } from "./state/panel";
import { reduce } from "./state/reduce";

/** Longest wait for a frame, in milliseconds: a document that is not painted gets none. */
const LATEST = 50;

export class Store {
  private state: Panel = START;
  private readonly listeners = new Set<(panel: Panel, before: Panel) => void>();
  private queue: Act[] = [];
  private due = false;

  get panel(): Panel {
    return this.state;
  }

  /** Change the state now; for acts of the person. Messages that came before are taken in first. */
  act(...acts: Act[]): void {
    const queued = this.queue;
    this.queue = [];
    this.apply([...queued, ...acts]);
  }

  /** Take a message in with the next frame, so that many at once are one painting. */
  receive(act: Act): void {
    this.queue.push(act);
    if (this.due) return;
    this.due = true;
    let timer = 0;
    const take = (): void => {
      if (!this.due) return;
      this.due = false;
      clearTimeout(timer);
      this.act();
    };
    timer = window.setTimeout(take, LATEST);
    requestAnimationFrame(take);
  }

  /** Call back after every change; the answer ends that. */
  subscribe(listener: (panel: Panel, before: Panel) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private apply(acts: Act[]): void {
    const before = this.state;
    this.state = acts.reduce(reduce, before);
    if (this.state !== before) for (const listener of [...this.listeners]) listener(this.state, before);
  }
}

/** A part of the state; the component renders again only where that part is another one. */
export function useSelect<T>(store: Store, select: (panel: Panel) => T): T {
  const [, again] = useReducer((count: number) => count + 1, 0);
  const selected = select(store.panel);
  const latest = useRef({ select, selected });
  latest.current = { select, selected };
  useLayoutEffect(() => {
    const look = (): void => {
      const { select: how, selected: old } = latest.current;
      if (!same(how(store.panel), old)) again(0);
    };
    look();
    return store.subscribe(look);
  }, [store]);
  return selected;
}

/** Equal by identity, or tuples of equal parts. */
function same(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (!Array.isArray(one) || !Array.isArray(other) || one.length !== other.length) return false;
  return one.every((part, index) => Object.is(part, other[index]));
}
