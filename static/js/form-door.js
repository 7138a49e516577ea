// What the forms below an answer share: where they are sent, what they say, and their sheet, loaded at the press.

export const FETCH_LIMIT_MS = 20_000;

/** Return the address `path` on the host of the page, or on the chat's own, in the language of the card. */
export function doorAt(path, card) {
  const door = new URL(path, card.closest("chat-panel")?.dataset.host || location.href);
  door.searchParams.set("language", card.language);
  return door;
}

/** Return what the door says of its form. Throws where it does not answer, or not with 200. */
export async function read(door) {
  const response = await fetch(door, { credentials: "same-origin", signal: AbortSignal.timeout(FETCH_LIMIT_MS) });
  if (!response.ok) {
    throw new Error(String(response.status));
  }
  return response.json();
}

/** Load a style sheet once; without an address there is none. */
export function loadStyle(address) {
  if (address && !document.querySelector(`link[href="${CSS.escape(address)}"]`)) {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = address;
    document.head.append(link);
  }
}
