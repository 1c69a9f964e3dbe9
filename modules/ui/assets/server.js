// The page's calls to the program; an error the server explains becomes an ActionError.

const LARGEST_BODY_BYTES = 4 * 1024 * 1024;

export class ActionError extends Error {
  constructor({ message, code, field, details }) {
    super(message);
    Object.assign(this, { code, field, details });
  }
}

export function callsTo(server) {
  return async (name, values = {}) => {
    const answer = await answerOf(server, name, values);
    if (!answer || typeof answer !== "object") throw new ActionError(await whyNoAnswer(values));
    if (answer.error) throw new ActionError(answer.error);
    return answer;
  };
}

// Gradio returns nothing when the program refuses a call, and does not say with which status.
async function answerOf(server, name, values) {
  try {
    return await server[name](values);
  } catch {
    return undefined;
  }
}

async function whyNoAnswer(values) {
  try {
    const page = await fetch("/", { redirect: "manual", cache: "no-store" });
    if (page.type === "opaqueredirect") return { message: "You are signed out.", code: "signed_out" };
    const health = await (await fetch("/health", { cache: "no-store" })).json();
    if (health.ui === "starting") return { message: "Parlor is starting. Try again in a moment.", code: "unreachable" };
    if (new Blob([JSON.stringify(values)]).size > LARGEST_BODY_BYTES) return { message: "This is too large to send.", code: "too_large" };
  } catch {
    // Nobody is there.
  }
  return { message: "Parlor does not answer. Is it still running?", code: "unreachable" };
}
