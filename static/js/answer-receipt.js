// The receipt under an answer: fills the cells of templates/chat/_receipt.html and drops the rows that say nothing.

/** Return what stands in each row of a receipt, as text; "" for a row that does not apply. */
export function receiptRows(receipt, say, language) {
  const number = (value, digits = 2) => new Intl.NumberFormat(language, { maximumSignificantDigits: digits }).format(value);
  const count = (value) => new Intl.NumberFormat(language).format(value);
  const energy = receipt.energy_j ?? {};
  const cached = receipt.cached_tokens ? ` (${say("receipt.cached", { count: count(receipt.cached_tokens) })})` : "";
  return {
    rung: say(`rung.name.${receipt.rung}`) || receipt.rung,
    model: receipt.model_name ? `${receipt.model_name} (${receipt.model})` : "",
    hardware: receipt.hardware ? say(`hardware.${receipt.hardware}`) || receipt.hardware : "",
    weights: receipt.weights_sha256 ? `${receipt.weights_sha256} (${say(`digest.${receipt.digest}`)})` : "",
    passages: (receipt.passages ?? []).join(", "),
    check: checkText(receipt, say),
    prompt: receipt.model ? count(receipt.prompt_tokens) + cached : "",
    completion: receipt.model ? count(receipt.completion_tokens) : "",
    first: `${count(receipt.first_token_ms)} ms`,
    duration: `${count(receipt.duration_ms)} ms`,
    energy: energy.high
      ? say("receipt.energy", { low: number(energy.low), mid: number(energy.mid), high: number(energy.high) })
      : say("receipt.no_energy"),
    cost: receipt.cost ? `${number(receipt.cost)} USD` : "",
    method: receipt.model ? receipt.method : "",
    request: receipt.request_id ?? "",
  };
}

function checkText(receipt, say) {
  if (receipt.check === "supported") {
    return say("check.supported");
  }
  if (receipt.check !== "not_supported") {
    return "";
  }
  const reasons = (receipt.check_reasons ?? []).map((code) => say(`check.${code}`) || code);
  return [say("check.failed"), reasons.join(", ")].filter(Boolean).join(": ");
}

export class AnswerReceipt extends HTMLElement {
  /** Show `receipt`; the words come from `say`, the figures in the way of `language`. */
  fill(receipt, say, language) {
    const rows = receiptRows(receipt, say, language);
    for (const row of this.querySelectorAll("tr[data-field]")) {
      const text = rows[row.dataset.field] ?? "";
      row.hidden = text === "";
      row.querySelector("td").textContent = text;
    }
    const proof = this.querySelector(".receipt-proof");
    proof.hidden = !navigator.clipboard;
    proof.firstElementChild.onclick = async ({ target }) => {
      const { copyProof } = await import("./answer-proof.js");
      await copyProof(this.closest("answer-card"), target, say);
    };
    this.hidden = false;
  }
}
