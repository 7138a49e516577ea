// What outlives a reload, in this tab only: the conversation, the answer on its way, the draft. And one word that
// outlives the tab: that this reader wants no second version.

const CONVERSATION = "conversation";
const DRAFT = "draft";
const STORED = "stored-conversation";
const SECOND = "second-version";

function store() {
  try {
    return window.sessionStorage;
  } catch {
    return null; // refused by the browser's settings: the page works, a reload begins anew
  }
}

/** Return the turns kept, [] for none. A turn is {question, ask, answer}. */
export function loadTurns() {
  try {
    const turns = JSON.parse(store()?.getItem(CONVERSATION) ?? "[]");
    return Array.isArray(turns) ? turns : [];
  } catch {
    return [];
  }
}

export function saveTurns(turns) {
  try {
    if (turns.length === 0) {
      store()?.removeItem(CONVERSATION);
    } else {
      store()?.setItem(CONVERSATION, JSON.stringify(turns));
    }
  } catch {
    // Full: what is on the page stays there, a reload loses it.
  }
}

/** Return the id of the stored conversation that this tab goes on with, null for none. */
export function loadConversation() {
  return store()?.getItem(STORED) ?? null;
}

export function saveConversation(id) {
  try {
    if (id === null) {
      store()?.removeItem(STORED);
    } else {
      store()?.setItem(STORED, id);
    }
  } catch {
    // Full: the next question begins a new stored conversation.
  }
}

export function loadDraft() {
  return store()?.getItem(DRAFT) ?? "";
}

export function saveDraft(text) {
  try {
    if (text === "") {
      store()?.removeItem(DRAFT);
    } else {
      store()?.setItem(DRAFT, text);
    }
  } catch {
    // As above.
  }
}

/** Return whether the reader wants a second version. Kept in this browser, because it is about this screen. */
export function loadWantsSecond() {
  try {
    return localStorage.getItem(SECOND) !== "off";
  } catch {
    return true;
  }
}

export function saveWantsSecond(wants) {
  try {
    if (wants) {
      localStorage.removeItem(SECOND);
    } else {
      localStorage.setItem(SECOND, "off");
    }
  } catch {
    // Refused by the browser: it holds until the page is left.
  }
}
