// The smallest runner that an extension host needs: claims in order, each with a limit, told in a file.
import { writeFileSync } from "node:fs";

interface Claim {
  claim: string;
  body: () => Promise<void>;
}

const claims: Claim[] = [];

/** Declare a test. */
export function test(claim: string, body: () => Promise<void>): void {
  claims.push({ claim, body });
}

/** Run all that was declared; throws when one failed, which is what makes VS Code's exit code. */
export async function runAll(): Promise<void> {
  const outcomes = [];
  for (const { claim, body } of claims) {
    const began = Date.now();
    const error = await limited(body()).then(
      () => undefined,
      (reason) => String(reason?.stack ?? reason),
    );
    outcomes.push({ claim, milliseconds: Date.now() - began, error });
  }
  writeFileSync(process.env.CMT_HOST_OUTCOMES ?? "", JSON.stringify(outcomes));
  if (outcomes.some(({ error }) => error)) throw new Error("tests failed");
}

async function limited(body: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((_, reject) => {
    timer = setTimeout(() => reject(new Error("not within 20 s")), 20_000);
  });
  await Promise.race([body, late]).finally(() => clearTimeout(timer));
}

/** The first truthy value of `probe`. */
export async function until<T>(claim: string, probe: () => T | Promise<T>, within = 10_000): Promise<Exclude<T, null | undefined | false>> {
  const end = Date.now() + within;
  for (;;) {
    const found = await probe();
    if (found) return found as Exclude<T, null | undefined | false>;
    if (Date.now() > end) throw new Error(`${claim}: not within ${within} ms`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
