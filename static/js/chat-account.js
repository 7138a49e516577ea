// What the chat knows of a signed-in reader: the box that keeps chats, the second version, stored conversations.
// Loaded when somebody is about to ask, so that a first visit pays nothing for it. Never on a page of another host.

import { loadWantsSecond, saveWantsSecond } from "./chat-storage.js";

export class ChatAccount {
  #panel;
  #strip;
  #me = { signed_in: false };
  #known = false; // whether the server has said who is there
  wantsSecond = loadWantsSecond();

  /** `panel` is the chat-panel; `hooks.decided(keeps)` is called when a decision about keeping chats is saved. */
  constructor(panel, hooks) {
    this.#panel = panel;
    this.hooks = hooks;
    this.#strip = document.importNode(panel.querySelector("template[data-name=account]").content, true).firstElementChild;
    panel.querySelector("form").after(this.#strip);
  }

  get signedIn() {
    return this.#me.signed_in;
  }

  /** Whether the server has said that nobody is signed in: its silence says nothing. */
  get signedOut() {
    return this.#known && !this.signedIn;
  }

  /** Ask the server who is there. Silence means a visitor. */
  async look() {
    try {
      const response = await fetch("/api/me", { headers: { accept: "application/json" }, credentials: "same-origin" });
      this.#me = response.ok ? await response.json() : { signed_in: false };
      this.#known = response.ok;
    } catch {
      this.#me = { signed_in: false };
    }
    this.#show();
  }

  #show() {
    const part = (name) => this.#strip.querySelector(`[data-part=${name}]`);
    this.#strip.hidden = !this.signedIn;
    if (!this.signedIn) {
      return;
    }
    const keep = part("keep");
    keep.checked = this.#me.keeps_chats;
    keep.onchange = () => this.#decide(keep, part("problem"));
    const second = part("second");
    second.closest("label").hidden = !this.#me.has_large;
    second.checked = this.wantsSecond;
    second.onchange = () => {
      this.wantsSecond = second.checked;
      saveWantsSecond(second.checked);
    };
  }

  async #decide(box, problem) {
    const address = box.checked ? this.#strip.dataset.give : this.#strip.dataset.withdraw;
    problem.hidden = true;
    try {
      const response = await fetch(address, {
        method: "POST",
        headers: { accept: "application/json", "x-csrftoken": this.#me.csrf_token },
        credentials: "same-origin",
        body: new URLSearchParams({ agreed: "yes", channel: "chat", language: this.#panel.language }),
      });
      if (!response.ok) {
        throw new Error(String(response.status));
      }
      this.#me.keeps_chats = box.checked;
      this.hooks.decided(box.checked);
    } catch {
      box.checked = !box.checked; // the box says what holds
      problem.hidden = false;
    }
  }

  /** Return a stored conversation as turns, null when it is gone or somebody else's. */
  async stored(id) {
    const response = await fetch(`/account/api/conversations/${encodeURIComponent(id)}/`, {
      headers: { accept: "application/json" },
      credentials: "same-origin",
    }).catch(() => null);
    return response?.ok ? response.json() : null;
  }

  /** Return a line that offers sign-in, for an answer that was cut or not known. */
  offer() {
    const line = this.#panel.querySelector("template[data-name=offer]").content.firstElementChild;
    return document.importNode(line, true);
  }
}
