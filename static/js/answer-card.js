// One answer on the page. The thinking is in chat-state.js; this element paints.

import { buildTree, safeAddress } from "./answer-tree.js";
import {
  isFromModel, isSetBack, lampOf, plainText, quoteOf, repeatsQuote, rungOf,
} from "./chat-state.js";

export class AnswerCard extends HTMLElement {
  #painted = { sources: null, text: "", tree: null, error: null };
  #countdown = null;

  /** Set up once: the words, the language of figures, what the buttons do. */
  begin({ say, language, onAgain }) {
    this.say = say;
    this.language = language;
    this.setAttribute("aria-label", say("card.label"));
    this.#part("again").addEventListener("click", onAgain);
    this.#part("retry").addEventListener("click", onAgain);
    const copy = this.#part("copy");
    copy.hidden = !navigator.clipboard;
    copy.addEventListener("click", () => this.#copy(copy));
    const flag = this.#part("flag");
    flag.addEventListener("click", () => this.#flag(flag));
  }

  disconnectedCallback() {
    clearInterval(this.#countdown);
  }

  /** Show `answer` as it is now; only what changed is touched. */
  paint(answer) {
    this.answer = answer;
    const lamp = lampOf(answer);
    this.toggleAttribute("data-live", lamp.live);
    this.querySelector("pilot-light").show(lamp.state, lamp.live);
    this.#part("rung").textContent = rungWords(answer, this.say);
    this.#part("stage").textContent = stageWords(answer, this.say);
    this.#paintBanner(answer);
    this.#paintSources(answer);
    this.#paintText(answer);
    this.#part("kept").hidden = !answer.keptUntil && !answer.keptProblem;
    this.#part("kept").textContent = keptWords(answer, this.say, this.language);
    if (answer.phase === "done") {
      this.#part("foot").hidden = false;
      this.#part("flag").hidden = !answer.seal || "sent" in this.#part("flag").dataset;
      this.querySelector("answer-receipt").hidden = true;
      if (answer.receipt) {
        this.querySelector("answer-receipt").fill(answer.receipt, this.say, this.language);
      }
    }
    if (answer.phase === "error") {
      this.#paintError(answer);
    }
    if (answer.phase === "done" && answer.contact && !this.querySelector(".contact-way")) {
      this.#part("foot").before(this.#wayToTeam(answer.contact));
    }
  }

  /** A button that opens the form of the way to the team; the form and its words are fetched when it is pressed. */
  #wayToTeam({ kind, label }) {
    const button = element("button", label, "button contact-way");
    button.type = "button";
    button.addEventListener("click", async () => {
      const { openContactForm } = await import("./contact-form.js");
      openContactForm(this, button, kind);
    });
    return button;
  }

  #part(name) {
    return this.querySelector(`.answer-${name}`);
  }

  #paintBanner(answer) {
    const lines = bannerLines(answer, this.say);
    const banner = this.#part("banner");
    banner.hidden = lines.length === 0;
    banner.replaceChildren(...lines.map((line) => element("span", line)));
  }

  #paintSources(answer) {
    if (answer.sources === this.#painted.sources) {
      return;
    }
    this.#painted.sources = answer.sources;
    const quote = quoteOf(answer);
    this.#part("quote").hidden = answer.sources.length === 0;
    const block = this.querySelector("blockquote");
    block.hidden = quote === "";
    block.replaceChildren(element("p", quote));
    // The first is where the quote stands; the others wait behind one press.
    const [first, ...more] = answer.sources.map(sourceLine);
    this.#part("sources").replaceChildren(...(first ? [first] : []));
    this.#part("more").hidden = more.length === 0;
    this.#part("more").querySelector("ol").replaceChildren(...more);
  }

  #paintText(answer) {
    const text = this.#part("text");
    const mark = this.#part("mark");
    text.hidden = answer.text === "" || repeatsQuote(answer);
    // A prepared answer has its links below it, in the frame of the quote it stands for.
    if (answer.rung === "verified" && answer.sources.length > 0 && text.parentElement === this) {
      this.#part("quote").prepend(text);
    }
    text.classList.toggle("is-set-back", isSetBack(answer));
    this.#paintMark(answer, mark, text.hidden);
    if (answer.tree !== null) {
      if (answer.tree !== this.#painted.tree) {
        this.#painted.tree = answer.tree;
        text.replaceChildren(buildTree(answer.tree));
      }
    } else if (answer.text !== this.#painted.text) {
      this.#stream(text).append(answer.text.slice(this.#painted.text.length));
      this.#painted.text = answer.text;
    }
  }

  /** Say above a model's words whose they are and what the check found; nothing above words of our pages. */
  #paintMark(answer, mark, textHidden) {
    const parts = textHidden ? [] : markWords(answer, this.say);
    mark.hidden = parts.length === 0;
    mark.replaceChildren(...parts);
  }

  /** The paragraph that the words of a running answer are added to. */
  #stream(text) {
    return text.querySelector(".stream") ?? text.appendChild(element("p", "", "stream"));
  }

  #paintError(answer) {
    if (answer.error === this.#painted.error) {
      return;
    }
    this.#painted.error = answer.error;
    const { code, message, requestId, retryAfterS } = answer.error;
    this.#part("error").hidden = false;
    this.#part("problem").textContent = message || this.say(`error.${code}`) || this.say("error.unknown");
    this.#part("id").hidden = !requestId;
    this.#part("request").textContent = requestId ?? "";
    this.#countDown(retryAfterS ?? 0);
  }

  /** Let the button wait with the reader; screen readers are spared the seconds, which are outside the alert. */
  #countDown(seconds) {
    const button = this.#part("retry");
    const end = Date.now() + seconds * 1000;
    const show = () => {
      const left = Math.ceil((end - Date.now()) / 1000);
      button.disabled = left > 0;
      button.textContent = left > 0 ? this.say("retry.wait", { seconds: left }) : this.say("retry.now");
      if (left <= 0) {
        clearInterval(this.#countdown);
      }
    };
    clearInterval(this.#countdown);
    this.#countdown = setInterval(show, 500);
    show();
  }

  async #flag(button) {
    try {
      const { toggleFlagForm } = await import("./flag-form.js");
      await toggleFlagForm(this, button);
    } catch {
      this.#part("kept").textContent = this.say("error.unreachable");
      this.#part("kept").hidden = false;
    }
  }

  async #copy(button) {
    const sources = this.answer.sources.map((source) => `[${source.n}] ${source.title} ${safeAddress(source.url) ?? ""}`);
    const text = [plainText(this.answer), sources.join("\n")].filter(Boolean).join("\n\n");
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      return; // refused by the browser: the label does not claim it
    }
    button.textContent = this.say("copy.copied");
    setTimeout(() => {
      button.textContent = this.say("copy.copy");
    }, 2_000);
  }
}

/** Return the words beside the lamp: what answers, on what. Before that is known, what happens. */
export function rungWords(answer, say) {
  const hardware = say(`hardware.${answer.receipt?.hardware ?? answer.hardware}`);
  const model = answer.receipt?.model_name ?? answer.model;
  const key = (answer.receipt?.stand_in ?? answer.standIn) ? "rung.stand_in" : "rung.model";
  if (answer.phase === "done") {
    if (isFromModel(answer)) {
      return say(key, { model, hardware });
    }
    return answer.rung ? say(`rung.${answer.rung}`) : "";
  }
  if (answer.phase === "error") {
    return say(answer.text === "" ? "stage.failed" : "stage.broken");
  }
  if (answer.phase === "generating") {
    return say(key, { model, hardware });
  }
  return say(`stage.${answer.phase}`);
}

function markWords(answer, say) {
  if (isSetBack(answer)) {
    return [element("strong", say("check.not_supported")), " ", say("check.stands")];
  }
  if (isFromModel(answer)) {
    return [say(answer.receipt?.check === "supported" ? "voice.checked" : "voice.model")];
  }
  return answer.phase === "generating" ? [say("voice.model")] : [];
}

function keptWords(answer, say, language) {
  if (!answer.keptUntil) {
    return answer.keptProblem ? say("kept.problem") : "";
  }
  const day = { weekday: "long", day: "numeric", month: "long" };
  return say("kept.until", { day: new Date(answer.keptUntil).toLocaleDateString(language, day) });
}

function stageWords(answer, say) {
  if (answer.phase === "generating") {
    return say("stage.generating");
  }
  return answer.phase === "done" && answer.finish !== "stop" ? say(`end.${answer.finish}`) : "";
}

function bannerLines(answer, say) {
  if (answer.notice) {
    return [answer.notice.message];
  }
  if (answer.phase === "loading") {
    return [
      say("loading.text"),
      answer.elapsedS === null ? "" : say("loading.elapsed", { seconds: answer.elapsedS }),
      answer.waitS === null ? "" : say("queue.wait", { seconds: answer.waitS }),
    ].filter(Boolean);
  }
  if (answer.phase !== "queued") {
    return [];
  }
  return [
    answer.place === null ? "" : say("queue.place", { place: answer.place }),
    answer.waitS === null ? "" : say("queue.wait", { seconds: Math.max(1, Math.round(answer.waitS)) }),
    say("queue.stay"),
  ].filter(Boolean);
}

function sourceLine(source) {
  const line = document.createElement("li");
  const number = element("span", String(source.n), "source-number");
  number.setAttribute("aria-hidden", "true");
  const address = safeAddress(source.url);
  const title = element(address === null ? "span" : "a", source.title);
  if (address !== null) {
    title.href = address;
  }
  line.append(number, title);
  return line;
}

function element(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className !== "") {
    made.className = className;
  }
  return made;
}
