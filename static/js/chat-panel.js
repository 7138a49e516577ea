// The conversation: joins the field, the connection, the state and the cards. The form works without any of this.

import { ChatConnection, doorsOf, newId, newSecret } from "./chat-connection.js";
import {
  isEnded, isSetBack, isUpgrading, lampOf, messagesFor, newAnswer, plainText, quoteOf, reduce, rungOf,
} from "./chat-state.js";
import { loadConversation, loadTurns, loadWantsSecond, saveConversation, saveTurns } from "./chat-storage.js";
import { readWords } from "./chat-words.js";
import { rungWords } from "./answer-card.js";

const STOPPED = { finish_reason: "stopped", rung: null, receipt: null, seal: null, tree: null };

/** Return a turn of this page for one of a stored conversation. */
function turnOf({ question, ask, versions }) {
  const answers = versions.map((version, place) => ({
    ...newAnswer(),
    phase: "done",
    finish: version.finish_reason,
    sources: place === 0 ? version.sources : [], // a second version stands below the quote of the first
    text: version.text,
    rung: version.rung,
    receipt: version.receipt,
    seal: version.seal,
    tree: version.tree,
    keptUntil: version.kept_until ?? null,
  }));
  return { question, ask: { id: ask }, answer: answers[0] ?? { ...newAnswer(), phase: "done" }, second: answers[1] ?? null };
}

export class ChatPanel extends HTMLElement {
  #turns = []; // {question, ask, answer, second}; `ask` is kept while its answer is on its way
  #cards = new Map();
  #seconds = new Map();
  #conversation = null; // the id under which the server keeps this conversation
  #account = null; // who is signed in, once somebody is about to ask
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
    this.form.addEventListener("focusin", () => {
      this.connection.open();
      this.#meet();
    });
    this.stopButton.addEventListener("click", () => this.#stop());
    this.newButton.addEventListener("click", () => this.#clear());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.isComposing && (this.#running() || this.#upgrading())) {
        event.preventDefault();
        this.#running() ? this.#stop() : this.#stopSecond(this.#upgrading());
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
    this.#conversation = loadConversation();
    this.#turns.forEach((turn) => this.#addCard(turn));
    this.#show();
    this.#turns.filter(isUpgrading).forEach((turn) => this.connection.resume(turn.ask, Number.MAX_SAFE_INTEGER));
    const wanted = new URLSearchParams(location.search).get("conversation");
    if (wanted) {
      this.#open(wanted);
      return;
    }
    if (this.#conversation) {
      this.#leaveWithAccount();
    }
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

  #upgrading() {
    return this.#turns.findLast(isUpgrading) ?? null;
  }

  /** Find out who is signed in, once. A page whose chat has a host of its own talks to it as a visitor. */
  async #meet() {
    if (this.dataset.host || this.meeting) {
      return this.meeting;
    }
    this.meeting = import("./chat-account.js").then(async ({ ChatAccount }) => {
      const account = new ChatAccount(this, { decided: (keeps) => this.#decided(keeps) });
      await account.look();
      this.#account = account;
    }, () => {});
    return this.meeting;
  }

  /** A conversation kept in an account leaves the tab when its owner has signed out: the next reader may be another. */
  async #leaveWithAccount() {
    await this.#meet();
    if (this.#account?.signedOut) {
      this.#clear();
    }
  }

  #decided(keeps) {
    this.status.textContent = this.say(keeps ? "keep.on" : "keep.off");
    if (!keeps) {
      this.#conversation = null; // what was stored is gone; this tab still shows what it has
      saveConversation(null);
    }
  }

  /** Show a stored conversation, to go on with it. */
  async #open(id) {
    await this.#meet();
    const stored = await this.#account?.stored(id);
    if (!stored) {
      this.status.textContent = this.say("conversation.gone");
      return;
    }
    history.replaceState(null, "", location.pathname);
    this.#reset();
    this.#conversation = stored.conversation;
    saveConversation(stored.conversation);
    this.#turns = stored.turns.map(turnOf);
    this.#turns.forEach((turn) => this.#addCard(turn));
    saveTurns(this.#turns);
    this.#show();
    this.status.textContent = this.say("conversation.open");
    this.#cards.get(this.#turns.at(-1)?.ask.id)?.scrollIntoView({ block: "start" });
  }

  #submit(suggestion) {
    if (this.#running() || (suggestion === null && !this.field.ready)) {
      return;
    }
    this.#meet(); // not every browser moves the focus to a button that is pressed
    const question = (suggestion ?? this.field.value).trim();
    if (suggestion === null) {
      this.field.value = "";
    }
    this.#ask(question);
    this.field.input.focus({ preventScroll: true });
  }

  #ask(question) {
    // A stored conversation is read by the server; of any other one the page brings what came before.
    const messages = messagesFor(this.#conversation ? [] : this.#turns, question);
    const ask = { id: newId(), secret: newSecret(), messages, language: this.language };
    if (this.#conversation) {
      ask.conversation = this.#conversation;
    }
    // Who is quicker than the look at who is signed in has chosen all the same.
    if (!(this.#account?.wantsSecond ?? loadWantsSecond())) {
      ask.upgrade = false;
    }
    const turn = { question, ask, answer: newAnswer(), second: null };
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
    this.#seconds.delete(turn.ask.id);
    this.#turns = this.#turns.filter((other) => other !== turn);
    this.#ask(turn.question);
    this.field.input.focus({ preventScroll: true });
  }

  #stop() {
    const turn = this.#running();
    if (turn && !this.connection.stop(turn.ask.id)) {
      this.#hear({ type: "done", id: turn.ask.id, ...STOPPED });
    }
  }

  #stopSecond(turn) {
    if (turn && !this.connection.stop(turn.ask.id)) {
      this.#hear({ type: "done", id: turn.ask.id, upgrades: "first", ...STOPPED });
    }
  }

  #reset() {
    this.#turns = [];
    this.#cards.clear();
    this.#seconds.clear();
    this.list.replaceChildren();
  }

  #clear() {
    this.#stop();
    this.#turns.filter(isUpgrading).forEach((turn) => this.#stopSecond(turn));
    this.#reset();
    this.#conversation = null;
    saveConversation(null);
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
    if (turn.second) {
      this.#addSecond(turn);
    }
    if (isEnded(turn.answer)) {
      this.#offer(turn);
    }
  }

  /** Show a second version beside the first: a card of its own, with its own lamp and receipt. */
  #addSecond(turn) {
    const article = this.#cards.get(turn.ask.id);
    const section = document.createElement("section");
    section.className = "second-version";
    const head = document.createElement("h4");
    head.textContent = this.say("second.title");
    const card = this.turnTemplate.content.querySelector("answer-card").cloneNode(true);
    section.append(head, card);
    article.append(section);
    card.begin({ say: this.say, language: this.language, onAgain: () => {} });
    card.classList.add("is-second");
    this.#seconds.set(turn.ask.id, card);
    const stop = document.createElement("button");
    stop.type = "button";
    stop.className = "button button-quiet second-stop";
    stop.textContent = this.say("second.stop");
    stop.addEventListener("click", () => this.#stopSecond(turn));
    section.append(stop);
    card.paint(turn.second);
    stop.hidden = !isUpgrading(turn);
  }

  #hearSecond(turn, event) {
    if (turn.second && isEnded(turn.second)) {
      return;
    }
    const begins = turn.second === null || turn.second === undefined;
    turn.second = reduce(turn.second ?? newAnswer(), event);
    if (begins) {
      this.#addSecond(turn);
      this.status.textContent = this.say("second.begins");
    }
    const paint = () => this.#seconds.get(turn.ask.id)?.paint(turn.second);
    if (event.type === "delta") {
      requestAnimationFrame(paint);
      return;
    }
    paint();
    const section = this.#seconds.get(turn.ask.id)?.parentElement;
    section.querySelector(".second-stop").hidden = isEnded(turn.second);
    if (turn.second.phase === "done" && turn.second.rung) {
      this.status.textContent = `${this.say("second.done")} ${plainText(turn.second)}`;
    } else if (isEnded(turn.second)) {
      this.status.textContent = this.say("second.none");
      if (turn.second.phase === "done") {
        section.remove(); // stopped before its first word: there is nothing to show
      }
    }
    saveTurns(this.#turns);
    this.#tellRung(turn.second.phase === "error" ? turn.answer : turn.second);
  }

  /** Offer sign-in where an answer was not known or was cut: the page says so, never the model. */
  async #offer(turn) {
    const lacking = turn.answer.rung === "none" || turn.answer.finish === "length";
    if (!lacking || this.dataset.host) {
      return;
    }
    await this.#meet();
    const article = this.#cards.get(turn.ask.id);
    if (this.#account && !this.#account.signedIn && article && !article.querySelector(".sign-in-offer")) {
      article.append(this.#account.offer());
    }
  }

  #hear(event) {
    const turn = this.#turns.find((one) => one.ask.id === event.id);
    if (!turn) {
      return;
    }
    if (event.upgrades || (isEnded(turn.answer) && isUpgrading(turn))) {
      this.#hearSecond(turn, event);
      return;
    }
    if (isEnded(turn.answer)) {
      return;
    }
    turn.answer = reduce(turn.answer, event);
    if (event.conversation) {
      this.#conversation = event.conversation;
      saveConversation(event.conversation);
    }
    if (event.code === "unknown_conversation") {
      this.#conversation = null; // asked again, the page brings what it still shows
      saveConversation(null);
    }
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
    if (isEnded(turn.answer)) {
      this.#offer(turn);
    }
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
