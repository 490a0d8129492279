// Amounts of money as people type them.

/** Dollars with at most nine decimals; `null` for an empty text, `undefined` for what is no amount. */
export function parseUsd(text: string): number | null | undefined {
  const given = text.trim().replace(/^\$\s*/, "");
  if (!given) return null;
  if (!/^(\d{1,7}([.,]\d{0,9})?|[.,]\d{1,9})$/.test(given)) return undefined;
  return Number(given.replace(",", "."));
}
