// What an answer is, as plain data, and how events change it. Nothing here touches the page or the network.

export const MAX_TURNS_SENT = 20;
export const MAX_BYTES_SENT = 200 * 1024;

/** Return an answer of which nothing is known yet. */
export function newAnswer() {
  return {
    phase: "asking", // asking, queued, grounding, loading, generating, done, error
    tier: null,
    model: null,
    hardware: null,
    standIn: false,
    place: null,
    waitS: null,
    elapsedS: null, // of a wake
    sources: [],
    text: "",
    seq: -1,
    finish: null,
    rung: null,
    receipt: null,
    seal: null,
    tree: null,
    notice: null,
    contact: null, // the way to the team that the answer opens
    keptUntil: null,
    keptProblem: false,
    error: null,
  };
}

/** Return `answer` after `event`. Events that came before (a resumed stream repeats them) change nothing. */
export function reduce(answer, event) {
  if (isEnded(answer)) {
    return answer;
  }
  switch (event.type) {
    case "status":
      return {
        ...answer,
        phase: event.stage,
        tier: event.tier ?? null,
        model: event.model ?? null,
        hardware: event.hardware ?? null,
        standIn: event.stand_in ?? false,
        place: event.place ?? null,
        waitS: event.wait_s ?? null,
        elapsedS: event.elapsed_s ?? null,
      };
    case "sources":
      return { ...answer, sources: event.sources };
    case "delta":
      return event.seq <= answer.seq ? answer : { ...answer, seq: event.seq, text: answer.text + event.text };
    case "done":
      return {
        ...answer,
        phase: "done",
        finish: event.finish_reason,
        rung: event.rung,
        receipt: event.receipt,
        seal: event.seal,
        tree: event.tree,
        notice: event.notice ?? null,
        contact: event.contact ?? null,
        keptUntil: event.kept_until ?? null,
        keptProblem: event.kept_problem ?? false,
      };
    case "error":
      return {
        ...answer,
        phase: "error",
        error: {
          code: event.code,
          message: event.message ?? "",
          retryAfterS: event.retry_after_s ?? null,
          requestId: event.request_id ?? null,
        },
      };
    default:
      return answer;
  }
}

/** Return whether a second version of the answer is on its way. */
export function isUpgrading(turn) {
  return turn.second ? !isEnded(turn.second) : false;
}

/** Return the newest version that a model has finished: what a following question builds on. */
export function standing(turn) {
  return turn.second?.phase === "done" && turn.second.seal ? turn.second : turn.answer;
}

export function isEnded(answer) {
  return answer.phase === "done" || answer.phase === "error";
}

/** Return how the lamp of `answer` stands. It is lit only for a model, live only while one loads or writes. */
export function lampOf(answer) {
  const flame = (tier) => (tier === "large" ? "large" : "small");
  switch (answer.phase) {
    case "loading":
      return { state: "waking", live: true };
    case "generating":
      return { state: flame(answer.tier), live: true };
    case "done":
      if (isFromModel(answer)) {
        return { state: flame(answer.rung), live: false };
      }
      // A notice says that a model should have written here and could not.
      return { state: answer.notice ? "out" : "unlit", live: false };
    case "error":
      return { state: "out", live: false };
    default:
      return { state: "unlit", live: false };
  }
}

/** Return the rung an answer stands on as far as known: the quote is there before anything is written. */
export function rungOf(answer) {
  if (answer.rung) {
    return answer.rung;
  }
  if (answer.phase === "generating") {
    return answer.tier;
  }
  return answer.sources.length > 0 && answer.sources[0].quote ? "quoted" : null;
}

export function isFromModel(answer) {
  return answer.rung === "small" || answer.rung === "large";
}

export function isSetBack(answer) {
  return answer.receipt?.check === "not_supported";
}

/** Return the passage's own words, "" where the answer itself is what was prepared. */
export function quoteOf(answer) {
  return answer.sources[0]?.quote ?? "";
}

/** Return whether the text only repeats the quote above it, as a quoted answer does. */
export function repeatsQuote(answer) {
  const quote = quoteOf(answer);
  return quote !== "" && (answer.rung === "quoted" || answer.text.trim() === quote.trim());
}

/** Return the whole answer as one plain text, to copy or to be read aloud: what stands first comes first. */
export function plainText(answer) {
  const quote = quoteOf(answer);
  const parts = quote === "" ? [] : [quote];
  if (!repeatsQuote(answer) && !isSetBack(answer) && answer.text !== "") {
    parts.push(answer.text.trim());
  }
  return parts.join("\n\n");
}

/** Return the messages to send with `question`: whole earlier turns, newest kept, each answer with its seal. */
export function messagesFor(turns, question) {
  const finished = turns.map((turn) => ({ question: turn.question, answer: standing(turn) }));
  const pairs = finished.filter(({ answer }) => answer.phase === "done" && answer.seal && answer.text !== "");
  const messages = [];
  let bytes = sizeOf(question);
  for (const turn of pairs.slice(-MAX_TURNS_SENT).reverse()) {
    bytes += sizeOf(turn.question) + sizeOf(turn.answer.text);
    if (bytes > MAX_BYTES_SENT) {
      break;
    }
    messages.unshift(
      { role: "user", content: turn.question },
      { role: "assistant", content: turn.answer.text, seal: turn.answer.seal },
    );
  }
  return [...messages, { role: "user", content: question }];
}

export function sizeOf(text) {
  return new TextEncoder().encode(text).length;
}
