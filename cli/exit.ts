// How a command ends: 0 it did what was asked, 1 an expectation was not met, 2 it was called wrongly. Commands throw
// one of these two; main.ts turns them into one sentence on stderr and the exit code. Anything else that is thrown is
// a defect and keeps its stack.

export const exitOk = 0;
export const exitUnmet = 1;
export const exitUsage = 2;

/** Called wrongly: an argument's form, an unknown name. Exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Called rightly, but it could not be done: a port is taken, a server is away. Exit code 1. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** What went wrong, in one line, from anything that was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
