// The way to the server: a websocket that opens when somebody is about to ask, mends itself, and gives way to
// server-sent events where it cannot open at all. It follows the answer on its way, and second versions of earlier ones.

import { eventsOf } from "./event-stream.js";

const OPEN = 1; // a readyState of the WebSocket standard
const OPEN_LIMIT_MS = 4_000;
const MEND_AFTER_MS = [200, 1_000, 3_000];

/** Return a new UUID, version 4. `crypto.randomUUID` is missing outside secure contexts, this is not. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** Return 32 random bytes in base64url: who knows them may come back to the answer. */
export function newSecret() {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Return the addresses of both doors on `host` ("" for the host of the page). */
export function doorsOf(host, page) {
  const base = new URL(host || page, page);
  const socket = new URL("/ws/chat/", base);
  socket.protocol = base.protocol === "https:" ? "wss:" : "ws:";
  return { socket: socket.href, stream: new URL("/api/chat", base).href };
}

export class ChatConnection {
  #doors;
  #onEvent;
  #socket = null;
  #stream = null;
  #followed = new Map(); // id -> {ask, seq, heard}, the newest last
  #outbox = [];
  #mended = 0;
  #mendTimer = null;

  /** `onEvent` gets every event of the server, and errors of our own with the code of what happened here. */
  constructor({ doors, onEvent }) {
    this.#doors = doors;
    this.#onEvent = onEvent;
  }

  /** Open the socket ahead of a question. */
  open() {
    if (this.#socket === null && this.#stream === null) {
      this.#connect();
    }
  }

  ask(ask) {
    this.#followed.set(ask.id, { ask, seq: -1, heard: false });
    this.#mended = 0;
    this.#send({ type: "ask", ...ask });
  }

  /** Come back to an answer of which everything up to `afterSeq` was seen. */
  resume(ask, afterSeq) {
    this.#followed.set(ask.id, { ask, seq: afterSeq, heard: true });
    this.#mended = 0;
    this.#send({ type: "resume", id: ask.id, secret: ask.secret, after_seq: afterSeq });
  }

  /** End the answer to `id`. Returns whether the server will still say how it ended. */
  stop(id) {
    if (!this.#followed.has(id)) {
      return false;
    }
    const { secret } = this.#followed.get(id).ask;
    if (this.#socket?.readyState === OPEN) {
      this.#socket.send(JSON.stringify({ type: "stop", id, secret }));
      return true;
    }
    // A stream that is closed is cancelled by the server; a socket that never opened has asked nothing.
    this.#followed.delete(id);
    this.#outbox = this.#outbox.filter((message) => message.id !== id);
    clearTimeout(this.#mendTimer);
    this.#stream?.abort();
    this.#stream = null;
    return false;
  }

  /** Mend at once what a sleeping phone or a lost network has cut. */
  wake() {
    if (this.#followed.size > 0 && this.#stream === null && this.#socket?.readyState !== OPEN) {
      clearTimeout(this.#mendTimer);
      this.#continue();
    }
  }

  #send(message) {
    if (this.#socket?.readyState === OPEN) {
      this.#socket.send(JSON.stringify(message));
      return;
    }
    this.#outbox = [...this.#outbox.filter((waiting) => waiting.id !== message.id), message];
    this.open();
  }

  #connect() {
    let opened = false;
    let socket;
    try {
      socket = new WebSocket(this.#doors.socket);
    } catch {
      this.#giveWay();
      return;
    }
    this.#socket = socket;
    const limit = setTimeout(() => socket.close(), OPEN_LIMIT_MS);
    socket.addEventListener("open", () => {
      opened = true;
      clearTimeout(limit);
      const waiting = this.#outbox;
      this.#outbox = [];
      waiting.forEach((message) => socket.send(JSON.stringify(message)));
    });
    socket.addEventListener("message", (message) => this.#hear(JSON.parse(message.data)));
    socket.addEventListener("close", () => {
      clearTimeout(limit);
      if (this.#socket !== socket) {
        return;
      }
      this.#socket = null;
      if (this.#followed.size === 0) {
        return;
      }
      if (!opened && this.#mended === 0) {
        this.#giveWay();
      } else {
        this.#mend();
      }
    });
  }

  #mend() {
    if (this.#mended >= MEND_AFTER_MS.length) {
      this.#giveWay();
      return;
    }
    this.#mendTimer = setTimeout(() => this.#continue(), MEND_AFTER_MS[this.#mended]);
    this.#mended += 1;
  }

  #continue() {
    for (const { ask, seq, heard } of this.#followed.values()) {
      // An ask that nobody answered may never have arrived; the same ask twice counts once.
      this.#send(heard ? { type: "resume", id: ask.id, secret: ask.secret, after_seq: seq } : { type: "ask", ...ask });
    }
  }

  /** No socket: ask over HTTP. That door begins answers and cannot come back to one. */
  #giveWay() {
    this.#outbox = [];
    for (const { ask, heard } of [...this.#followed.values()]) {
      if (heard) {
        this.#endedWithout(ask.id, "connection_lost");
      } else {
        this.#readStream(ask);
      }
    }
  }

  async #readStream(ask) {
    const controller = new AbortController();
    this.#stream = controller;
    try {
      const response = await fetch(this.#doors.stream, {
        method: "POST",
        headers: { "content-type": "application/json", accept: "text/event-stream" },
        credentials: "same-origin",
        body: JSON.stringify(ask),
        signal: controller.signal,
      });
      if (response.ok) {
        for await (const event of eventsOf(response.body)) {
          this.#hear(event);
        }
      } else {
        this.#hear(await errorOf(response, ask.id));
      }
      this.#endedWithout(ask.id, "connection_lost");
    } catch {
      if (!controller.signal.aborted) {
        this.#endedWithout(ask.id, this.#followed.get(ask.id)?.heard ? "connection_lost" : this.#silence());
      }
    } finally {
      if (this.#stream === controller) {
        this.#stream = null;
      }
    }
  }

  /** Return why there was no answer at all: where the chat has a host of its own, that one is away. */
  #silence() {
    const apart = new URL(this.#doors.stream).origin !== location.origin;
    return apart && navigator.onLine ? "away" : "unreachable";
  }

  /** Close an answer that the line left open, so that no answer stays without an end. */
  #endedWithout(id, code) {
    if (this.#followed.has(id)) {
      this.#hear({ type: "error", id, code });
    }
  }

  #hear(event) {
    // An error without an id is about the message just sent, which is the newest ask.
    const id = event.type === "error" && !event.id ? [...this.#followed.keys()].at(-1) : event.id;
    const following = this.#followed.get(id);
    if (following) {
      event.id = id;
      following.heard = true;
      if (event.type === "delta" && !event.upgrades) {
        following.seq = Math.max(following.seq, event.seq);
      } else if ((event.type === "done" && !event.upgrading) || event.type === "error") {
        this.#followed.delete(id);
      }
    }
    this.#onEvent(event);
  }
}

/** Return the error in a response. What is not ours (a proxy's page, a host of files) says that we are away. */
async function errorOf(response, id) {
  const body = await response.json().catch(() => null);
  const error = body?.error ?? { code: "away" };
  return {
    type: "error",
    id,
    code: error.code ?? "unknown",
    // The edge that says "away" for us does not know the reader's language; the page does.
    message: error.code === "away" ? "" : error.message,
    retry_after_s: error.retry_after_s ?? (Number(response.headers.get("retry-after")) || null),
    request_id: error.request_id ?? response.headers.get("x-request-id"),
  };
}
