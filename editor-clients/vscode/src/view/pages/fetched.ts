import { useEffect, useState } from "preact/hooks";
import type { RpcErrorBody } from "../../wire";
import { bodyOf } from "../host";

export interface Fetched<T> {
  value?: T;
  error?: RpcErrorBody;
  busy: boolean;
  again: () => void;
}

/** What the server answers, asked again when `keys` change; the newest answer counts, and the last good one stays on show. */
export function useFetched<T>(ask: () => Promise<T>, keys: readonly unknown[], pause = 0): Fetched<T> {
  const [state, setState] = useState<Omit<Fetched<T>, "again">>({ busy: true });
  const [count, setCount] = useState(0);
  useEffect(() => {
    let stale = false;
    setState((last) => ({ ...last, busy: true }));
    const timer = setTimeout(() => {
      ask().then(
        (value) => stale || setState({ value, busy: false }),
        (error: unknown) => stale || setState((last) => ({ value: last.value, error: bodyOf(error), busy: false })),
      );
    }, pause);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [...keys, count]);
  return { ...state, again: () => setCount(count + 1) };
}
