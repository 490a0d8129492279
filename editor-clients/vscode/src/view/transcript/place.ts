// Where a conversation is read, told by turn: heights of turns that were never in sight are guesses, and change.

/** How many turns before the end the first visible one is, with the part of it that is scrolled away behind the point. */
export function placeOf(box: HTMLElement): number {
  const top = box.getBoundingClientRect().top;
  const turns = [...box.querySelectorAll<HTMLElement>(":scope > .turn")];
  // From the end: the place is near it more often than not.
  let at = turns.length - 1;
  while (at > 0 && turns[at]!.getBoundingClientRect().top > top) at--;
  const rect = turns[at]?.getBoundingClientRect();
  if (!rect) return 0;
  const part = Math.min(0.99, Math.max(0, (top - rect.top) / Math.max(1, rect.height)));
  return turns.length - at + Math.round(part * 100) / 100;
}

/** Scroll there; answers false where that turn is not in the document. */
export function goTo(box: HTMLElement, place: number): boolean {
  const turns = box.querySelectorAll<HTMLElement>(":scope > .turn");
  const turn = turns[turns.length - Math.floor(place)];
  if (!turn) return false;
  const rect = turn.getBoundingClientRect();
  box.scrollTop += rect.top - box.getBoundingClientRect().top + (place % 1) * rect.height;
  return true;
}
