import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useActions, usePanel } from "../context";
import { Icon } from "../icons";
import { NEW } from "../state/panel";
import { isBusy, newSession, type SessionView } from "../state/session";
import { Empty } from "./Empty";
import { clicked } from "./clicks";
import { goTo, placeOf } from "./place";
import { AskedTurn, FailedTurn, Turn } from "./Turn";

const NOTHING = newSession(NEW);
/** Turns that are put into the document at first, and with each page. */
const PAGE = 100;
/** Pixels from the top at which older turns are fetched. */
const NEAR_TOP = 300;
/** Milliseconds without scrolling before the place is noted. */
const REST = 200;
/** Pixels from the end that still count as the end. */
const NEAR = 24;

/** The turns of the session that is shown. */
export function Transcript() {
  const actions = useActions();
  const session = usePanel((panel) => panel.sessions[panel.current] ?? NOTHING);
  const current = usePanel((panel) => panel.current);
  const box = useRef<HTMLDivElement>(null);
  const { away, follow, jump } = useEnd(box, current, session.applied > 0);
  const [shown, setShown] = useState(PAGE);
  useEffect(() => setShown(PAGE), [current]);
  const hidden = Math.max(0, session.turns.length - shown);
  const more = hidden + session.earlier > 0;
  const showMore = async (): Promise<void> => {
    if (hidden === 0) await actions.sessions.loadEarlier(session.id);
    setShown((count) => count + PAGE);
  };
  const older = useOlder(box, showMore, session.turns[hidden]?.turnId);
  useLayoutEffect(follow);
  useFocus(box);
  return (
    <div class="transcript-frame">
      <div
        class="transcript"
        ref={box}
        role="region"
        aria-label="Conversation"
        tabIndex={0}
        onClick={(event) => clicked(event, actions)}
        onKeyDown={(event) => event.key === "Enter" && clicked(event, actions)}
      >
        {more && (
          <div class="older" ref={older}>
            <button type="button" onClick={() => void showMore()}>
              Show earlier turns ({hidden + session.earlier})
            </button>
          </div>
        )}
        <Turns session={session} hidden={hidden} />
        {isBlank(session) && <Empty session={session} />}
      </div>
      {away && (
        <button type="button" class="jump" onClick={jump} title="Jump to latest" aria-label="Jump to latest">
          <Icon name="arrowDown" />
        </button>
      )}
    </div>
  );
}

function isBlank(session: SessionView): boolean {
  return !session.turns.length && !session.flights.length && !session.askings.length && !session.failures.length;
}

/** Turns at the end that are formatted at once. */
const EAGER = 8;

function Turns({ session, hidden }: { session: SessionView; hidden: number }) {
  const { id, turns, earlier, flights, askings, failures } = session;
  const busy = isBusy(session);
  const replaced = new Set(askings.map((asking) => asking.replaces));
  const count = earlier + turns.length;
  const unmatched = askings.filter((asking) => !flights.some((flight) => flight.turnId === asking.turnId));
  const shown = turns.slice(hidden).map((turn, index) => {
    const position = earlier + hidden + index + 1;
    if (replaced.has(turn.turnId)) return null;
    const last = position === count;
    const eager = position > count - EAGER;
    return (
      <Turn key={turn.turnId} sessionId={id} record={turn} position={position} count={count} eager={eager} last={last} busy={busy} />
    );
  });
  const failed = failures.map((failure, index) => (
    <FailedTurn key={failure.key} sessionId={id} failure={failure} position={count + 1 + index} />
  ));
  const going = flights.map((flight, index) => {
    const asking = askings.find((one) => one.turnId === flight.turnId);
    const position = count + 1 + index;
    return (
      <Turn key={flight.turnId} sessionId={id} flight={flight} asking={asking} position={position} count={position} eager last={false} busy />
    );
  });
  const asked = unmatched.map((asking) => (
    <AskedTurn key={`asked-${asking.id}`} asking={asking} position={count + flights.length + 1} />
  ));
  return <>{[...shown, ...failed, ...going, ...asked]}</>;
}

/** Stay at the end while the person is there, and only then. */
function useEnd(box: { current: HTMLDivElement | null }, current: string, loaded: boolean) {
  const actions = useActions();
  const [kept] = useState(actions.place);
  const atEnd = useRef(true);
  const [away, setAway] = useState(false);
  const set = (end: boolean): void => {
    atEnd.current = end;
    setAway(!end);
  };
  const jump = (): void => {
    set(true);
    box.current!.scrollTop = box.current!.scrollHeight;
  };
  useLayoutEffect(() => set(true), [current]);
  useLayoutEffect(() => {
    // Where it was read before the panel was hidden.
    if (!loaded || kept === undefined) return;
    const element = box.current!;
    if (!goTo(element, kept)) return;
    set(false);
    // Once more when the turns there have their true heights.
    requestAnimationFrame(() => requestAnimationFrame(() => goTo(element, kept)));
  }, [loaded]);
  useEffect(() => {
    const element = box.current!;
    let due = 0;
    // Measured once the scrolling rests: it looks at every turn behind the place.
    const place = (end: boolean): void => {
      clearTimeout(due);
      due = window.setTimeout(() => actions.placed(end ? undefined : placeOf(element)), REST);
    };
    const look = (): void => {
      const end = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
      set(end);
      place(end);
    };
    const stay = (): void => {
      if (atEnd.current) element.scrollTop = element.scrollHeight;
    };
    // A wheel up leaves the end at once, whatever grows meanwhile.
    const wheel = (event: WheelEvent): void => {
      if (event.deltaY < 0 && element.scrollHeight > element.clientHeight) set(false);
    };
    const grown = new ResizeObserver(stay);
    grown.observe(element);
    const added = new MutationObserver(stay);
    added.observe(element, { childList: true, subtree: true, characterData: true });
    element.addEventListener("scroll", look, { passive: true });
    element.addEventListener("wheel", wheel, { passive: true });
    return () => {
      grown.disconnect();
      added.disconnect();
      element.removeEventListener("scroll", look);
      element.removeEventListener("wheel", wheel);
      clearTimeout(due);
    };
  }, []);
  const follow = (): void => {
    if (atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  };
  return { away, follow, jump };
}

/** Fetch older turns when their place comes near, and keep what is read where it is. */
function useOlder(box: { current: HTMLDivElement | null }, load: () => Promise<void>, first: string | undefined) {
  const marker = useRef<HTMLDivElement>(null);
  const latest = useRef(load);
  const fromEnd = useRef(0);
  const loading = useRef(false);
  latest.current = load;
  useLayoutEffect(() => {
    const element = box.current!;
    if (loading.current) element.scrollTop = element.scrollHeight - fromEnd.current;
  }, [first]);
  useEffect(() => {
    const element = box.current!;
    const look = (): void => {
      fromEnd.current = element.scrollHeight - element.scrollTop;
      if (loading.current || !marker.current || element.scrollTop > NEAR_TOP || element.scrollHeight <= element.clientHeight) return;
      loading.current = true;
      void latest.current().finally(() => requestAnimationFrame(() => (loading.current = false)));
    };
    element.addEventListener("scroll", look, { passive: true });
    return () => element.removeEventListener("scroll", look);
  }, []);
  return marker;
}

/** The command that moves the focus to the last turn. */
function useFocus(box: { current: HTMLDivElement | null }): void {
  const focus = usePanel((panel) => panel.focus);
  useEffect(() => {
    if (focus.target !== "lastMessage" || focus.count === 0) return;
    const headings = box.current!.querySelectorAll<HTMLElement>(".turn > h2");
    headings[headings.length - 1]?.focus();
  }, [focus]);
}
