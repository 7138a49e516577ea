// The field to ask in: Enter sends, Shift+Enter starts a line, the draft survives a reload, the limit is told in time.

import { loadDraft, saveDraft } from "./chat-storage.js";
import { sizeOf } from "./chat-state.js";

// The number appears once this share of the limit is used.
const TELL_FROM = 0.85;

export class QuestionField extends HTMLElement {
  connectedCallback() {
    this.limit = Number(this.dataset.limit);
    this.input = this.querySelector("textarea");
    this.count = this.querySelector(".composer-count");
    this.input.addEventListener("input", () => this.#changed());
    this.input.addEventListener("keydown", (event) => {
      // isComposing: Enter that ends a word of an input method is not meant to send.
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.input.form.requestSubmit();
      }
    });
  }

  /** Begin with the draft of this tab. `say` gives the words of the count. */
  begin(say) {
    this.say = say;
    if (this.input.value === "") {
      this.value = loadDraft();
    }
    this.#changed();
  }

  get value() {
    return this.input.value;
  }

  set value(text) {
    this.input.value = text;
    this.#changed();
  }

  /** Whether there is something to ask that the server takes. */
  get ready() {
    return this.input.value.trim() !== "" && sizeOf(this.input.value) <= this.limit;
  }

  #changed() {
    saveDraft(this.input.value);
    // Only long texts are measured exactly; no text has more than three bytes for each unit of its length.
    const used = this.input.value.length * 3 < this.limit * TELL_FROM ? 0 : sizeOf(this.input.value);
    this.count.hidden = used < this.limit * TELL_FROM;
    if (!this.count.hidden && this.say) {
      const left = this.limit - used;
      this.count.textContent = left >= 0 ? this.say("count.left", { left }) : this.say("count.over", { over: -left });
    }
    this.input.setAttribute("aria-invalid", String(used > this.limit));
  }
}
