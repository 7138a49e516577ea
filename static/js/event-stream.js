// Reads server-sent events from a fetch body (WHATWG HTML, 9.2.6): only `data` matters to us.

/** Return the events in `text` and the unfinished rest. Events are the parsed JSON of their data lines. */
export function splitEvents(text) {
  const normal = text.replace(/\r\n?/g, "\n");
  const blocks = normal.split("\n\n");
  const rest = blocks.pop();
  const events = [];
  for (const block of blocks) {
    const lines = block.split("\n").filter((line) => line.startsWith("data:"));
    const data = lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
    if (data !== "" && data !== "[DONE]") {
      events.push(JSON.parse(data));
    }
  }
  return { events, rest };
}

/** Yield the events of a response body as they arrive. */
export async function* eventsOf(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let waiting = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      // A carriage return at the end of a chunk may be half of a line's end, so it waits for the next chunk.
      const text = waiting + (done ? decoder.decode() : decoder.decode(value, { stream: true }));
      const held = !done && text.endsWith("\r") ? "\r" : "";
      const { events, rest } = splitEvents(held ? text.slice(0, -1) : text);
      waiting = rest + held;
      yield* events;
      if (done) {
        return;
      }
    }
  } finally {
    reader.releaseLock();
  }
}
