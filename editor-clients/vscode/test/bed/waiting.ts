// Waiting for what is not a page: processes, files, ports. Every wait has an end and says what it waited for.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

/** The first truthy value of `probe`, asked again every 25 ms; throws with `claim` after `within` ms. */
export async function until<T>(claim: string, probe: () => T | Promise<T>, within = 30_000): Promise<Exclude<T, null | undefined | false>> {
  const end = Date.now() + within;
  for (;;) {
    const found = await probe();
    if (found) return found as Exclude<T, null | undefined | false>;
    if (Date.now() > end) throw new Error(`${claim}: not within ${within} ms`);
    await pause(25);
  }
}

/** `promise`, unless it takes longer than `within` ms. */
export async function soon<T>(claim: string, promise: Promise<T>, within = 30_000): Promise<T> {
  const limit = new AbortController();
  const late = pause(within, undefined, { signal: limit.signal }).then(() => {
    throw new Error(`${claim}: not within ${within} ms`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    limit.abort();
    late.catch(() => undefined);
  }
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Run to the end; throws with what it wrote when it fails. */
export async function run(command: string, args: string[], env: NodeJS.ProcessEnv, cwd?: string): Promise<string> {
  const child = spawn(command, args, { env, cwd, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stdout.on("data", (chunk) => (said += chunk));
  child.stderr.on("data", (chunk) => (said += chunk));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}:\n${said}`);
  return said;
}

/** End a process and wait until it is gone. */
export async function end(child: ChildProcess, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill(signal);
  await soon(`process ${child.pid} ends`, gone, 10_000).catch(async () => {
    child.kill("SIGKILL");
    await gone;
  });
}
