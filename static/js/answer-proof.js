// The proof of an answer, for the page that verifies it: question, answer, seal and receipt, as one JSON text.

/** Put the proof of the answer in `card` on the clipboard; `button` says so. */
export async function copyProof(card, button, say) {
  const { text, seal, receipt } = card.answer;
  const question = card.closest(".turn").querySelector(".turn-question").textContent;
  try {
    await navigator.clipboard.writeText(JSON.stringify({ question, answer: text, seal, receipt }));
  } catch {
    return; // refused by the browser: the label does not claim it
  }
  button.textContent = say("copy.copied");
}
