// Flags one answer: asks the server what to say, shows the form below the answer, sends, shows the number. Loaded at
// the first press of "Flag". Without script a form on a page of its own does the same.

import { doorAt, FETCH_LIMIT_MS, loadStyle, read } from "./form-door.js";

/** Open the form to flag the answer on `card`, or close it where it is open. `button` is the one that was pressed. */
export async function toggleFlagForm(card, button) {
  const open = card.querySelector(".flag-form");
  if (open) {
    close(open, button);
    return;
  }
  if (button.ariaBusy === "true" || card.querySelector(".flag-done")) {
    return;
  }
  button.ariaBusy = "true";
  try {
    loadStyle(button.dataset.style);
    const door = doorAt("/api/flags", card);
    const said = await read(door);
    card.querySelector(".flag-failed")?.remove();
    const form = build(said, () => close(form, button));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form, { card, button, door, words: said.words });
    });
    card.append(form);
    button.ariaExpanded = "true";
    form.querySelector("input[type=radio]").focus();
  } catch {
    failed(card);
  } finally {
    button.ariaBusy = null;
  }
}

/** Return what is sent about `answer`, as the server reads it: all that its seal was made over, and nothing else. */
export function draftOf(question, answer, form) {
  return {
    question,
    text: answer.text,
    passages: answer.receipt.passages,
    receipt: answer.receipt,
    seal: answer.seal,
    reason: form.get("reason") ?? "",
    words: form.get("words") ?? "",
    train: form.get("train") === "yes",
  };
}

function build({ words, reasons, words_chars: most }, onCancel) {
  const id = `flag-${Math.random().toString(36).slice(2)}`;
  const form = element("form", { class: "flag-form", "aria-labelledby": `${id}-heading`, autocomplete: "off" });
  const privacy = element("a", { href: words.notice_address }, words.notice);
  const kept = element("p", {}, `${words.why} ${words.kept} `);
  kept.append(privacy);
  const notice = element("div", { class: "flag-notice", id: `${id}-notice` }, element("p", {}, words.sent), kept);
  const choices = reasons.map(({ code, label }) =>
    element("label", {}, element("input", { type: "radio", name: "reason", value: code, required: "" }), element("span", {}, label)),
  );
  const field = element(
    "div",
    { class: "field" },
    element("label", { for: `${id}-words` }, words.words),
    element("p", { class: "field-hint", id: `${id}-hint` }, words.words_hint),
    element("textarea", {
      class: "input", id: `${id}-words`, name: "words", rows: 3, maxlength: most, "aria-describedby": `${id}-hint`,
    }),
  );
  const training = words.trains
    ? element("p", { class: "flag-small" }, words.trains)
    : element(
        "label",
        { class: "flag-tick" },
        element("input", { type: "checkbox", name: "train", value: "yes" }),
        element("span", {}, words.train),
      );
  const cancel = element("button", { class: "button button-quiet", type: "button" }, words.cancel);
  cancel.addEventListener("click", onCancel);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.isComposing) {
      event.stopPropagation(); // it closes this form and leaves an answer that is being written alone
      event.preventDefault();
      onCancel();
    }
  });
  form.append(
    element("h3", { id: `${id}-heading` }, words.heading),
    notice,
    element("fieldset", { class: "flag-reasons", "aria-describedby": `${id}-notice` }, element("legend", {}, words.reason), ...choices),
    field,
    training,
    element("p", { class: "note note-problem flag-problem", role: "alert", hidden: "" }),
    element("div", { class: "flag-buttons" }, element("button", { class: "button", type: "submit" }, words.send), cancel),
  );
  return form;
}

async function send(form, { card, button, door, words }) {
  const submit = form.querySelector("[type=submit]");
  const problem = form.querySelector(".flag-problem");
  if (submit.disabled) {
    return;
  }
  const question = card.closest(".turn").querySelector(".turn-question").textContent;
  const body = JSON.stringify({ ...draftOf(question, card.answer, new FormData(form)), language: card.language });
  problem.hidden = true;
  submit.disabled = true;
  submit.textContent = words.sending;
  try {
    const response = await fetch(door, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      credentials: "same-origin",
      body,
      signal: AbortSignal.timeout(FETCH_LIMIT_MS),
    });
    const said = await response.json();
    if (response.status !== 201) {
      throw new Refused(said.error?.message ?? words.failed);
    }
    const done = receipt(said, words);
    form.replaceWith(done);
    button.hidden = true;
    button.dataset.sent = ""; // the card does not offer it again
    done.focus();
  } catch (error) {
    submit.disabled = false;
    submit.textContent = words.send;
    problem.textContent = error instanceof Refused ? error.message : words.failed;
    problem.hidden = false;
    submit.focus();
  }
}

class Refused extends Error {}

/** The number, which nobody can show again, and what it is good for. */
function receipt({ number }, words) {
  const copy = element("button", { class: "button button-plain", type: "button" }, words.copy);
  copy.hidden = !navigator.clipboard;
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(number);
    } catch {
      return; // refused by the browser: the label does not claim it
    }
    copy.textContent = words.copied;
  });
  const line = element("p", {}, `${words.number} `);
  line.append(element("strong", { class: "flag-number" }, number));
  return element(
    "div",
    { class: "flag-done", role: "group", tabindex: -1, "aria-label": words.done },
    element("p", {}, element("strong", {}, words.done)),
    line,
    element("p", {}, words.number_hint),
    element("p", { class: "flag-small" }, words.kept),
    element("div", { class: "flag-buttons" }, copy, element("a", { class: "flag-cancel", href: words.outcome_address }, words.outcome)),
  );
}

function failed(card) {
  if (!card.querySelector(".flag-failed")) {
    card.append(element("p", { class: "note note-problem flag-failed", role: "alert" }, card.say("error.unreachable")));
  }
}

function close(form, button) {
  form.remove();
  button.ariaExpanded = "false";
  button.focus();
}

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}
