// The staff's screen of one flag by keyboard, with a preview while typing. Everything works without it, by buttons.

import { buildTree } from "./answer-tree.js";
import { readWords } from "./chat-words.js";

const PREVIEW_AFTER_MS = 600;
const OFF = "review-keys-off";

/** Return whether a key pressed there is typing, not a command. Radio buttons and boxes take no letters. */
export function isTyping(target) {
  return target instanceof Element && target.closest("textarea, select, [contenteditable], input:not([type=radio], [type=checkbox], [type=submit])") !== null;
}

/** Return minutes and seconds of a time in seconds. */
export function minutesOf(seconds) {
  return { minutes: Math.floor(seconds / 60), seconds: String(seconds % 60).padStart(2, "0") };
}

export class ReviewKeys extends HTMLElement {
  #say = () => "";
  #end = 0;
  #ticking = null;
  #waiting = null;
  #asked = 0;

  connectedCallback() {
    document.addEventListener("keydown", this.#press);
    const words = this.querySelector("template[data-name=review-words]");
    this.#say = words ? readWords(words) : this.#say;
    this.#switch();
    if (this.dataset.left !== undefined) {
      this.#held(Number(this.dataset.left));
      this.#part("longer").hidden = false;
      this.#part("longer").addEventListener("click", () => this.#hold());
      this.addEventListener("input", this.#type);
      this.#part("show-preview").addEventListener("click", (event) => {
        event.preventDefault();
        this.#preview();
      });
    }
  }

  disconnectedCallback() {
    document.removeEventListener("keydown", this.#press);
    clearInterval(this.#ticking);
    clearTimeout(this.#waiting);
  }

  #part(name, within = this) {
    return within.querySelector(`[data-part="${name}"]`);
  }

  #press = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      const decide = this.#part("decide");
      decide?.form.requestSubmit(decide);
      return;
    }
    if (event.key === "Enter" && event.target.matches?.("input[name$=passage_words]")) {
      event.preventDefault();
      this.#preview();
      return;
    }
    if (event.key === "Escape" && isTyping(event.target)) {
      event.target.blur();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || localStorage.getItem(OFF)) {
      return;
    }
    if (this.#command(event.key)) {
      event.preventDefault();
    }
  };

  /** Do what a single key stands for; return whether it stands for anything. */
  #command(key) {
    const group = this.querySelector(`[data-group="${CSS.escape(key)}"]`);
    const choice = this.querySelector(`[data-choice="${CSS.escape(key)}"]`) ?? (group && this.#firstOf(group));
    if (choice) {
      choice.checked = true;
      choice.focus();
      return true;
    }
    const button = this.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (button) {
      // What was typed goes with the page: a slip of the hand leads to the button only, and Enter presses it.
      if (button.type === "submit" && this.#hasTyped()) {
        button.focus();
      } else {
        button.click();
      }
      return true;
    }
    const draft = this.querySelector("[data-draft]");
    const help = this.#part("help");
    if (key === "c" && draft) {
      draft.open = true;
      draft.querySelector("textarea").focus();
    } else if (key === "p" && draft) {
      this.#preview();
    } else if (key === "?" && help) {
      help.open = !help.open;
      help.querySelector("summary").focus();
    } else {
      return false;
    }
    return true;
  }

  #hasTyped() {
    return [...this.querySelectorAll("#decision textarea")].some((area) => area.value.trim() !== "");
  }

  #firstOf(group) {
    return group.querySelector("input:checked") ?? group.querySelector("input");
  }

  /** Let single keys be switched off: voices and slips of the hand press them too. */
  #switch() {
    const box = this.#part("keys-off");
    if (!box) {
      return;
    }
    box.closest("[hidden]").hidden = false;
    box.checked = Boolean(localStorage.getItem(OFF));
    box.addEventListener("change", () => (box.checked ? localStorage.setItem(OFF, "1") : localStorage.removeItem(OFF)));
  }

  #held(seconds, until) {
    this.#end = Date.now() + seconds * 1000;
    if (until) {
      this.#part("until").textContent = until;
    }
    this.#part("lost").hidden = true;
    this.#part("left").hidden = false;
    this.#tick();
    clearInterval(this.#ticking);
    this.#ticking = setInterval(() => this.#tick(), 1000);
  }

  #tick() {
    const left = Math.max(0, Math.round((this.#end - Date.now()) / 1000));
    this.#part("left").textContent = this.#say("left", minutesOf(left));
    if (left === 0) {
      this.#lose();
    }
  }

  #lose(message) {
    clearInterval(this.#ticking);
    this.#part("left").hidden = true;
    const lost = this.#part("lost");
    lost.textContent = message ?? lost.textContent;
    lost.hidden = false;
  }

  #type = (event) => {
    if (event.target.closest("[data-draft]")) {
      clearTimeout(this.#waiting);
      this.#waiting = setTimeout(() => this.#preview(), PREVIEW_AFTER_MS);
    }
  };

  async #hold() {
    const answer = await this.#post(this.dataset.hold, new FormData(this.querySelector("#decision")));
    if (answer) {
      this.#held(answer.left_s, answer.until);
    }
  }

  async #preview() {
    clearTimeout(this.#waiting);
    const asked = ++this.#asked;
    const answer = await this.#post(this.dataset.preview, new FormData(this.querySelector("#decision")));
    if (!answer || asked !== this.#asked) {
      return;
    }
    this.#held(answer.left_s, answer.until);
    answer.corrections.forEach((each, at) => this.#show(this.querySelector(`[data-draft="${at}"]`), each));
  }

  /** Post the form and return what came back; null where it was refused, and then the page says why. */
  async #post(address, body) {
    try {
      const response = await fetch(address, { method: "POST", body, headers: { Accept: "application/json" } });
      const answer = await response.json();
      if (response.ok) {
        return answer;
      }
      this.#lose(answer.message);
    } catch {
      // The server is away or signed this person out: the button of the form says so when it is pressed.
    }
    return null;
  }

  #show(draft, { tree, source, hints, passages }) {
    this.#part("tree", draft).replaceChildren(buildTree(tree));
    this.#part("source", draft).replaceChildren(...(source ? [link(source)] : []));
    const quote = this.#part("quote", draft);
    quote.textContent = source?.quote ?? "";
    quote.hidden = !quote.textContent;
    this.#part("hints", draft).replaceChildren(...hints.map((hint) => element("li", hint)));
    if (passages !== null) {
      this.#offer(this.#part("passages", draft), passages);
    }
  }

  /** Offer the passages that were found in place of those before, but keep the one that is chosen. */
  #offer(place, passages) {
    const chosen = place.querySelector("input:checked");
    const kept = chosen && !passages.some(({ id }) => id === chosen.value) ? [chosen.closest("label")] : [];
    const found = passages.map((passage) => choice(place.dataset.name, passage, chosen?.value));
    place.replaceChildren(...kept, ...(found.length ? found : [element("p", this.#say("none"))]));
  }
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function link({ title, url }) {
  const made = element("a", title);
  made.href = url;
  made.target = "_blank";
  made.rel = "noopener";
  return made;
}

function choice(name, { id, text }, chosen) {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { type: "radio", name, value: id, checked: id === chosen });
  const words = document.createElement("span");
  words.append(element("code", id), ` ${text.length > 160 ? `${text.slice(0, 159)}…` : text}`);
  label.append(input, " ", words);
  return label;
}

customElements.define("review-keys", ReviewKeys);
