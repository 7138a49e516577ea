// The way to the team, inside the chat: asks the server for its words, shows the form below the answer, sends, shows
// the number. Loaded at the first press. Without script a form on a page of its own does the same.

import { newId } from "./chat-connection.js";
import { doorAt, FETCH_LIMIT_MS, loadStyle, read } from "./form-door.js";

/** Open the form on `card` for a message of `kind`, or go to the one that is open. `button` is what was pressed. */
export async function openContactForm(card, button, kind) {
  const open = card.querySelector(".contact-form, .contact-done");
  if (open || button.ariaBusy === "true") {
    open?.querySelector("textarea, output")?.focus();
    return;
  }
  button.ariaBusy = "true";
  try {
    const door = doorAt("/api/contact", card);
    const said = await read(door);
    loadStyle(said.style);
    const form = build(said, { kind, question: card.closest(".turn").querySelector(".turn-question").textContent });
    form.querySelector(".contact-cancel").addEventListener("click", () => {
      form.remove();
      button.hidden = false;
      button.focus();
    });
    const draft = { id: newId() };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form, { card, door, said, draft });
    });
    button.after(form);
    button.hidden = true;
    form.querySelector("textarea").focus();
  } catch {
    button.after(problemLine(card.say("error.unreachable")));
  } finally {
    button.ariaBusy = null;
  }
}

/** Return what is sent of a filled-in form: the words, what they are about, and an address only if an answer is wanted. */
export function draftOf(fields, { id, language }) {
  const wanted = fields.get("wants_answer") === "yes";
  return {
    id,
    language,
    kind: fields.get("kind"),
    text: fields.get("text"),
    reply_to: wanted ? fields.get("reply_to").trim() : "",
  };
}

function build({ words, told, kinds, max_chars: most, own_address: own }, { kind, question }) {
  const id = `contact-${Math.random().toString(36).slice(2)}`;
  const form = make("form", { class: "contact-form", "aria-labelledby": `${id}-title`, novalidate: "" });
  const heading = make("h4", { id: `${id}-title` }, words.title);

  const choice = make("select", { class: "input", id: `${id}-kind`, name: "kind", "aria-describedby": `${id}-within` });
  kinds.forEach((each) => choice.append(make("option", { value: each.kind }, each.label)));
  choice.value = kind;
  const within = make("p", { class: "field-hint", id: `${id}-within` });
  const sayWithin = () => {
    within.textContent = words.within.replace("{within}", kinds.find((each) => each.kind === choice.value).within);
  };
  choice.addEventListener("change", sayWithin);
  sayWithin();

  const text = make("textarea", {
    class: "input", id: `${id}-text`, name: "text", rows: "6", required: "", autocomplete: "off",
    "aria-describedby": `${id}-hint ${id}-count`,
  });
  text.value = question;
  const count = make("p", { class: "field-hint", id: `${id}-count`, hidden: "" });
  const sayCount = () => {
    const left = most - [...text.value].length;
    count.hidden = left > most / 10;
    count.textContent = (left < 0 ? words.over : words.left).replace("{left}", left).replace("{over}", -left);
  };
  text.addEventListener("input", sayCount);
  sayCount();

  const wants = make("input", { type: "checkbox", id: `${id}-wants`, name: "wants_answer", value: "yes" });
  const tick = make("label", { class: "contact-tick", for: `${id}-wants` });
  tick.append(wants, make("span", {}, words.wants_answer));
  const address = make("input", {
    class: "input", id: `${id}-address`, name: "reply_to", type: "email", maxlength: "254", autocomplete: "email",
  });
  const asked = field(make("label", { for: `${id}-address` }, words.address), address);
  if (own) {
    address.value = own;
    address.setAttribute("aria-describedby", `${id}-own`);
    address.before(make("p", { class: "field-hint", id: `${id}-own` }, words.own_address));
  }
  asked.hidden = true;
  wants.addEventListener("change", () => {
    asked.hidden = !wants.checked;
  });

  const list = make("dl", { class: "contact-told" });
  told.forEach(([term, sentence]) => {
    const row = make("div");
    row.append(make("dt", {}, term), make("dd", {}, sentence));
    list.append(row);
  });

  const acts = make("div", { class: "contact-acts" });
  acts.append(
    make("button", { class: "button contact-send", type: "submit" }, words.send),
    make("button", { class: "button button-quiet contact-cancel", type: "button" }, words.cancel),
  );
  form.append(
    heading,
    field(make("label", { for: `${id}-kind` }, words.kind), choice, within),
    field(
      make("label", { for: `${id}-text` }, words.text),
      make("p", { class: "field-hint", id: `${id}-hint` }, words.text_hint), text, count,
    ),
    tick, asked, list, acts,
  );
  return form;
}

async function send(form, { card, door, said, draft }) {
  const { words } = said;
  const button = form.querySelector(".contact-send");
  const fields = new FormData(form);
  form.querySelector(".note-problem")?.remove();
  form.querySelectorAll("[aria-invalid]").forEach((each) => each.removeAttribute("aria-invalid"));
  if (fields.get("text").trim() === "") {
    refuse(form, words.empty, "text");
    return;
  }
  if (fields.get("wants_answer") === "yes" && fields.get("reply_to").trim() === "") {
    refuse(form, words.address_wanted, "reply_to");
    return;
  }
  button.disabled = true;
  button.textContent = words.sending;
  let sent = null;
  let problem = null;
  try {
    const response = await fetch(door, {
      method: "POST",
      credentials: "same-origin",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify(draftOf(fields, { id: draft.id, language: card.language })),
      signal: AbortSignal.timeout(FETCH_LIMIT_MS),
    });
    const body = await response.json();
    sent = response.ok ? body : null;
    problem = response.ok ? null : body.error;
  } catch {
    problem = { message: words.unreachable };
  }
  if (sent) {
    form.replaceWith(doneBlock(sent, said, door));
    card.querySelector(".contact-done output").focus();
    return;
  }
  button.disabled = false;
  button.textContent = words.send;
  refuse(form, problem?.message || words.unknown, problem?.field);
}

function refuse(form, message, name) {
  const line = problemLine(message);
  line.id = `${form.querySelector("textarea").id}-problem`;
  form.querySelector(".contact-acts").before(line);
  const wrong = name ? form.elements.namedItem(name) : null;
  wrong?.setAttribute("aria-invalid", "true");
  (wrong ?? form.querySelector(".contact-send")).focus();
}

function problemLine(message) {
  return make("p", { class: "note note-problem", role: "alert" }, message);
}

/** Return what stands in the form's place: the number, which is shown once. */
function doneBlock({ number, kind }, { words, kinds, messages }, door) {
  const block = make("div", { class: "contact-done", role: "status" });
  const shown = make("output", { class: "contact-number", tabindex: "-1" }, number);
  const within = words.within.replace("{within}", kinds.find((each) => each.kind === kind).within);
  const acts = make("div", { class: "contact-acts" });
  if (navigator.clipboard) {
    const copy = make("button", { class: "button button-plain", type: "button" }, words.copy);
    copy.addEventListener("click", () => navigator.clipboard.writeText(number).then(() => {
      copy.textContent = words.copied;
    }, () => {}));
    acts.append(copy);
  }
  acts.append(make("a", { href: new URL(messages, door).href }, words.look));
  const line = make("p", {}, `${words.number} `);
  line.append(shown);
  block.append(make("p", {}, `${words.sent} ${within}`), line, make("p", {}, words.number_hint), acts);
  return block;
}

function field(...parts) {
  const made = make("div", { class: "field" });
  made.append(...parts);
  return made;
}

function make(tag, attributes = {}, text = "") {
  const made = document.createElement(tag);
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  made.textContent = text;
  return made;
}
