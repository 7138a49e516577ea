// The conversation: joins the field, the connection, the state and the cards. The form works without any of this.

import { ChatConnection, doorsOf, newId, newSecret } from "./chat-connection.js";
import { isEnded, isSetBack, lampOf, messagesFor, newAnswer, plainText, quoteOf, reduce, rungOf } from "./chat-state.js";
import { loadTurns, saveTurns } from "./chat-storage.js";
import { readWords } from "./chat-words.js";
import { rungWords } from "./answer-card.js";

export class ChatPanel extends HTMLElement {
  #turns = []; // {question, ask, answer}; `ask` is kept while its answer is on its way
  #cards = new Map();
  #painting = false;

  connectedCallback() {
    this.language = this.dataset.language;
    this.say = readWords(this.querySelector("template[data-name=words]"));
    this.turnTemplate = this.querySelector("template[data-name=turn]");
    this.list = this.querySelector(".conversation");
    this.form = this.querySelector("form");
    this.field = this.querySelector("question-field");
    this.status = this.querySelector("[role=status]");
    this.askButton = this.querySelector(".composer-ask");
    this.stopButton = this.querySelector(".composer-stop");
    this.newButton = this.querySelector(".composer-new");
    this.escapeHint = this.querySelector(".composer-escape");
    this.connection = new ChatConnection({
      doors: doorsOf(this.dataset.host, location.href),
      onEvent: (event) => this.#hear(event),
    });
    this.field.begin(this.say);
    this.#listen();
    this.#restore();
  }

  #listen() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const suggestion = event.submitter?.name === "question" ? event.submitter.value : null;
      this.#submit(suggestion);
    });
    this.form.addEventListener("focusin", () => this.connection.open());
    this.stopButton.addEventListener("click", () => this.#stop());
    this.newButton.addEventListener("click", () => this.#clear());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#running() && !event.isComposing) {
        event.preventDefault();
        this.#stop();
      }
    });
    addEventListener("pagehide", () => saveTurns(this.#turns));
    addEventListener("online", () => this.connection.wake());
    addEventListener("pageshow", () => this.connection.wake());
    document.addEventListener("visibilitychange", () => document.hidden || this.connection.wake());
  }

  /** Show what this tab has kept, and come back to an answer that was on its way. */
  #restore() {
    this.#turns = loadTurns();
    this.#turns.forEach((turn) => this.#addCard(turn));
    this.#show();
    const running = this.#running();
    if (running) {
      this.status.textContent = this.say("stage.back");
      running.resumed = true;
      this.#cards.get(running.ask.id).scrollIntoView({ block: "start" });
      this.connection.resume(running.ask, running.answer.seq);
    }
    const last = this.#turns.at(-1);
    if (last) {
      this.#tellRung(last.answer);
    }
  }

  #running() {
    return this.#turns.find((turn) => !isEnded(turn.answer)) ?? null;
  }

  #submit(suggestion) {
    if (this.#running() || (suggestion === null && !this.field.ready)) {
      return;
    }
    const question = (suggestion ?? this.field.value).trim();
    if (suggestion === null) {
      this.field.value = "";
    }
    this.#ask(question);
    this.field.input.focus({ preventScroll: true });
  }

  #ask(question) {
    const messages = messagesFor(this.#turns, question);
    const ask = { id: newId(), secret: newSecret(), messages, language: this.language };
    const turn = { question, ask, answer: newAnswer() };
    this.#turns.push(turn);
    this.#addCard(turn);
    saveTurns(this.#turns);
    this.status.textContent = this.say("status.answering");
    this.#show();
    this.#cards.get(ask.id).scrollIntoView({ block: "start" });
    this.connection.ask(ask);
  }

  /** Ask the question of `turn` once more in its place: the old answer leaves the page and the history. */
  #askAgain(turn) {
    if (this.#running()) {
      return;
    }
    this.#cards.get(turn.ask.id)?.remove();
    this.#cards.delete(turn.ask.id);
    this.#turns = this.#turns.filter((other) => other !== turn);
    this.#ask(turn.question);
    this.field.input.focus({ preventScroll: true });
  }

  #stop() {
    const turn = this.#running();
    if (turn && !this.connection.stop()) {
      this.#hear({ type: "done", id: turn.ask.id, finish_reason: "stopped", rung: null, receipt: null, seal: null, tree: null });
    }
  }

  #clear() {
    this.#stop();
    this.#turns = [];
    this.#cards.clear();
    this.list.replaceChildren();
    saveTurns([]);
    this.status.textContent = this.say("status.cleared");
    this.#show();
    this.#tellRung(newAnswer());
    this.field.input.focus();
  }

  #addCard(turn) {
    const article = document.importNode(this.turnTemplate.content, true).querySelector("article");
    this.list.append(article); // connected first, so that its elements are upgraded
    article.querySelector(".turn-question").textContent = turn.question;
    const card = article.querySelector("answer-card");
    card.begin({ say: this.say, language: this.language, onAgain: () => this.#askAgain(turn) });
    card.paint(turn.answer);
    this.#cards.set(turn.ask.id, article);
  }

  #hear(event) {
    const turn = this.#turns.find((one) => one.ask.id === event.id);
    if (!turn || isEnded(turn.answer)) {
      return;
    }
    turn.answer = reduce(turn.answer, event);
    if (turn.answer.phase === "error" && turn.answer.error.code === "unknown_id" && turn.resumed) {
      turn.answer = { ...turn.answer, error: { ...turn.answer.error, message: this.say("error.gone"), requestId: null } };
      if (this.field.value === "") {
        this.field.value = turn.question;
      }
    }
    if (event.type === "delta") {
      this.#paintSoon();
      return;
    }
    this.#tell(turn.answer, event);
    saveTurns(this.#turns);
    this.#paint(); // before the buttons: who sees that the answer ended also sees how
    this.#show();
  }

  /** One sentence for those who listen: what happens, and the whole answer once, when it is there. */
  #tell(answer, event) {
    if (event.type === "status" && answer.phase === "queued" && answer.place !== null) {
      this.status.textContent = this.say("status.queued", { place: answer.place });
    } else if (event.type === "status" && answer.phase === "generating" && quoteOf(answer)) {
      this.status.textContent = this.say("status.quoted");
    } else if (answer.phase === "done") {
      const mark = isSetBack(answer) ? this.say("check.not_supported") : "";
      const words = rungWords(answer, this.say);
      const parts = [this.say("status.done"), words && `${words}.`, mark, plainText(answer)];
      this.status.textContent = parts.filter(Boolean).join(" ");
    } else if (answer.phase === "error") {
      this.status.textContent = ""; // the card's alert speaks
    }
    this.#tellRung(answer);
  }

  #tellRung(answer) {
    const lamp = lampOf(answer);
    const detail = { rung: answer.phase === "error" ? null : rungOf(answer), lamp: lamp.state, live: lamp.live };
    document.dispatchEvent(new CustomEvent("answer-rung", { detail }));
  }

  #show() {
    const running = this.#running() !== null;
    this.toggleAttribute("data-running", running);
    this.classList.toggle("has-turns", this.#turns.length > 0);
    // The buttons share a place, so focus on one of them moves to the field instead of getting lost.
    const focused = document.activeElement === this.stopButton || document.activeElement === this.askButton;
    this.askButton.hidden = running;
    this.stopButton.hidden = !running;
    if (focused) {
      this.field.input.focus({ preventScroll: true });
    }
    this.escapeHint.hidden = !running;
    this.newButton.hidden = this.#turns.length === 0;
    this.#turns.forEach((turn, index) => {
      const isLast = index === this.#turns.length - 1;
      this.#cards.get(turn.ask.id).querySelector(".answer-again").hidden = !isLast;
    });
  }

  /** Paint once per frame, however many tokens arrived. A hidden page has no frames, so it uses a timer. */
  #paintSoon() {
    if (this.#painting) {
      return;
    }
    this.#painting = true;
    const schedule = document.hidden ? (paint) => setTimeout(paint, 100) : requestAnimationFrame;
    schedule(() => {
      this.#painting = false;
      this.#paint();
    });
  }

  #paint() {
    const turn = this.#turns.at(-1);
    const article = turn && this.#cards.get(turn.ask.id);
    article?.querySelector("answer-card").paint(turn.answer);
  }
}
