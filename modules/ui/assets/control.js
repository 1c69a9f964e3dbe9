// The page's calls to /control, which a signed-in page may use as programs do.

import { ActionError } from "./server.js";

// With a body it is a POST, unless `method` is another.
export async function control(path, body, { signal, method } = {}) {
  return (await asked(path, body, { signal, method })).json();
}

// A reply as it is written: `onFrame` gets each piece. Ends when the program ends it, or `signal` does.
export async function controlFrames(path, body, { signal, onFrame }) {
  const answer = await asked(path, body, { signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  let isWhole = false;
  while (true) {
    const { value, done } = await reader.read();
    if (done) break;
    const events = (waiting + value).split("\n\n");
    waiting = events.pop();
    for (const text of events.filter((one) => one.startsWith("data: "))) {
      const content = text.slice("data: ".length);
      if (content === "[DONE]") isWhole = true;
      else take(JSON.parse(content), onFrame);
    }
  }
  if (!isWhole) throw new ActionError({ message: "The reply was cut off.", code: "unreachable" });
}

function take(frame, onFrame) {
  if (frame.error) throw errorOf(frame.error);
  onFrame(frame);
}

async function asked(path, body, { signal, method }) {
  const how = body === undefined ? { method } : { method: method ?? "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(`/control/${path}`, { ...how, cache: "no-store", signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ActionError({ message: "Parlor does not answer. Is it still running?", code: "unreachable" });
  }
  if (answer.status === 401) throw new ActionError({ message: "You are signed out.", code: "signed_out" });
  if (!answer.ok) throw errorOf((await answer.json()).error);
  return answer;
}

function errorOf({ message, code, param }) {
  return new ActionError({ message, code, field: param });
}
