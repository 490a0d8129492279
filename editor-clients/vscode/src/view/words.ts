// Numbers and names as people read them. Money comes in words from the server and is not made here.

/** 950, 1.2K, 35K, 1.2M */
export function tokens(count: number): string {
  if (count < 1000) return String(count);
  if (count < 10_000) return `${(count / 1000).toFixed(1)}K`;
  if (count < 1_000_000) return `${Math.round(count / 1000)}K`;
  return `${(count / 1_000_000).toFixed(1)}M`;
}

export function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  if (count < 1024 * 1024) return `${Math.round(count / 1024)} KB`;
  return `${(count / 1024 / 1024).toFixed(1)} MB`;
}

/** 0.8 s, 12 s, 2 min 5 s */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** 4:07 */
export function countdown(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** "claude-sonnet-5-5" as "sonnet-5-5", where there is no better name. */
export function shortModel(id: string): string {
  return id.replace(/^claude-/, "");
}

/** 14:05 today, else 3 Nov, else 3 Nov 2025. */
export function when(iso: string, now = new Date()): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return "";
  if (date.toDateString() === now.toDateString()) {
    return date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  }
  const year = date.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return date.toLocaleDateString(undefined, { day: "numeric", month: "short", year });
}

export function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}

/** "1 turn", "2 turns" */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** A sum that the server tells in nano-dollars only, written as it writes them itself. */
export function dollars(nano: number): string {
  if (nano < 0) return `-${dollars(-nano)}`;
  if (nano > 0 && nano < 50_000) return "<$0.0001";
  const decimals = nano < 9_999_950_000 ? 4 : 2;
  const figure = (nano / 1e9).toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return `$${figure}`;
}
